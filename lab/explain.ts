/** `npx pnpm@12 explain METHOD URL`: what the mesh would do with a request, from files or from the current cluster. */
import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs, promisify, styleText } from 'node:util';
import { addressOf, explain, type Line, type Manifest, Refusal, render, UnknownSource, whyNot } from '@bookinfo/mesh';
import { parseAllDocuments } from 'yaml';

const ROOT = join(import.meta.dirname, '..');

const USAGE = `Usage: npx pnpm@12 explain [options] METHOD URL

What the mesh would do with a request, and why: npx pnpm@12 explain GET http://localhost/productpage

Without -f it asks the cluster that kubectl points to; without a cluster it takes k8s/bookinfo.yaml.

  --from NAME         ingress (the default: from outside), or a workload such as reviews-v2 or curl.default
  -H, --header LINE   "name: value", as curl takes it; may be given several times
  --user NAME         who is signed in at the product page
  -f, --file FILE     manifests beside k8s/bookinfo.yaml, a later one replacing an earlier one; may be given several times
  -n, --namespace NS  of the cluster, beside istio-system: default
  --why-not WHAT      what would have to differ to get to a subset (v2) or to be answered with a status (503)
  --json              for programs
  --help              this text`;

class WrongUse extends Error {}

function readArguments(args: string[]) {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      from: { type: 'string', default: 'ingress' },
      header: { type: 'string', short: 'H', multiple: true, default: [] },
      user: { type: 'string' },
      file: { type: 'string', short: 'f', multiple: true },
      namespace: { type: 'string', short: 'n', default: 'default' },
      'why-not': { type: 'string' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return undefined;
  const [method, address, ...rest] = positionals;
  const url = address ? URL.parse(address) : null;
  if (!method || !/^[A-Z]+$/.test(method)) throw new WrongUse('The first word is a method, such as GET.');
  if (url?.protocol !== 'http:') throw new WrongUse('The second word is a URL, such as http://localhost/productpage.');
  if (rest.length > 0) throw new WrongUse(`Too many words: ${rest.join(' ')}.`);
  const headers = values.header.map((line): [string, string] => {
    const [, name, value] = /^([^:\s]+):\s*(.*)$/.exec(line) ?? [];
    if (!name || value === undefined) throw new WrongUse(`A header is "name: value", not "${line}".`);
    return [name.toLowerCase(), value];
  });
  return { ...values, method, url, headers: Object.fromEntries(headers) };
}

function fromFile(path: string): Manifest[] {
  const found = [path, join(ROOT, path)].find((it) => existsSync(it));
  if (!found) throw new WrongUse(`There is no file ${path}.`);
  return parseAllDocuments(readFileSync(found, 'utf8')).flatMap((document) => {
    const [error] = document.errors;
    if (error) throw new WrongUse(`${path}: ${error.message.split('\n')[0]}`);
    return (document.toJS() as Manifest | null) ?? [];
  });
}

const KINDS = [
  'services,pods',
  'gateways.networking.istio.io,virtualservices,destinationrules,serviceentries,envoyfilters',
  'peerauthentications,requestauthentications,authorizationpolicies',
];
const GATEWAY_API = 'gateways.gateway.networking.k8s.io,httproutes';

/** What the current cluster has; undefined when none answers, or when it has no Istio. */
async function fromCluster(namespace: string): Promise<Manifest[] | undefined> {
  const get = async (kinds: string, where: string) => {
    const args = ['get', kinds, `--namespace=${where}`, '--output=json', '--request-timeout=10s'];
    const { stdout } = await promisify(execFile)('kubectl', args, { maxBuffer: 1 << 28 });
    return (JSON.parse(stdout) as { items: Manifest[] }).items;
  };
  try {
    const all = await Promise.all([...new Set([namespace, 'istio-system'])].map((it) => get(KINDS.join(), it)));
    const routes = await get(GATEWAY_API, namespace).catch(() => []);
    return [...all.flat(), ...routes];
  } catch {
    return undefined;
  }
}

const STYLES = { step: 'reset', skipped: 'dim', answer: 'bold', remark: 'yellow' } as const;
const print = ({ text, kind }: Line): void => console.log(styleText(STYLES[kind], text));

async function main(): Promise<void> {
  const wanted = readArguments(process.argv.slice(2));
  if (!wanted) return console.log(USAGE);
  const { from, method, url, headers, user, file, namespace, json } = wanted;
  const cluster = file ? undefined : await fromCluster(namespace);
  const manifests = cluster ?? ['k8s/bookinfo.yaml', ...(file ?? [])].flatMap(fromFile);
  if (!cluster && !file) console.error('No cluster with Istio answers: this is about k8s/bookinfo.yaml alone.');
  const request = { ...addressOf(url), method, headers, from, now: Date.now() / 1000, ...(user && { user }) };
  const explanation = explain(manifests, request);
  const whatFor = wanted['why-not'];
  if (json)
    console.log(JSON.stringify(whatFor ? { ...explanation, whyNot: whyNot(explanation, whatFor) } : explanation));
  else if (whatFor) for (const sentence of whyNot(explanation, whatFor)) console.log(sentence);
  else render(explanation).forEach(print);
}

try {
  await main();
} catch (error) {
  if (error instanceof Refusal) {
    console.error(`This model does not know all of it:\n${error.problems.map((it) => `  ${it}`).join('\n')}`);
    process.exitCode = 1;
  } else if (error instanceof UnknownSource) {
    console.error(error.message);
    process.exitCode = 2;
  } else if (error instanceof WrongUse || (error as { code?: string }).code?.startsWith('ERR_PARSE_ARGS')) {
    console.error(`${(error as Error).message}\n\n${USAGE}`);
    process.exitCode = 2;
  } else throw error;
}
