/** What the mesh would do with a request, from files or from the cluster. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { styleText } from 'node:util';
import {
  addressOf,
  explain as explainRequest,
  type Line,
  type Manifest,
  Refusal,
  render,
  UnknownSource,
  whyNot,
} from '@bookinfo/mesh';
import { Command, InvalidArgumentError } from '@commander-js/extra-typings';
import { parseAllDocuments } from 'yaml';
import { declaredIn } from '../declared.ts';
import { readHeader } from '../header.ts';
import { connect, requireIstio } from '../kubectl.ts';
import { Obstacle } from '../obstacle.ts';

const ROOT = join(import.meta.dirname, '../..');
const SHOP = 'k8s/bookinfo.yaml';

export const explain = new Command('explain')
  .summary('what the mesh would do with a request, and why')
  .description('What the mesh would do with a request, and why.')
  .usage('[options] METHOD URL')
  .argument('<method>', 'such as GET', readMethod)
  .argument('<url>', 'such as http://localhost/productpage', readUrl)
  .option('--from <name>', 'ingress (from outside), or a workload such as reviews-v2 or curl.default', 'ingress')
  .option('-H, --header <line>', '"name: value", as curl takes it; may be given several times', readHeader)
  .option('--user <name>', 'who is signed in at the product page')
  .option(
    '-f, --file <file>',
    'manifests beside k8s/bookinfo.yaml, a later one replacing an earlier one; or a folder; may be given several times',
    (path, before: Manifest[] = []) => [...before, ...readManifests(path)],
  )
  .option(
    '-n, --namespace <name>',
    'of the cluster, beside istio-system, instead of default; may be given several times',
    (name, before: string[] = []) => [...before, name],
  )
  .option('--context <name>', 'of kubectl, instead of the current one')
  .option(
    '--why-not <what>',
    'what would have to differ to get to a pod or a subset (reviews-v2, v2), or to be answered with a status (503)',
  )
  .option('--json', 'for programs')
  .addHelpText(
    'after',
    `
Without -f it asks the cluster that kubectl points to; without a cluster it takes k8s/bookinfo.yaml.

Examples:
  npx pnpm@12 lab explain GET http://localhost/productpage
  npx pnpm@12 lab explain --user jason --why-not reviews-v1 GET http://localhost/productpage`,
  )
  .action(
    async (
      method,
      url,
      { from, header: headers = {}, user, file, namespace: namespaces = ['default'], context, whyNot: whatFor, json },
      command,
    ) => {
      const manifests = file
        ? [...readManifests(SHOP), ...file]
        : ((await fromCluster(namespaces, context)) ?? readManifests(SHOP));
      const request = { ...addressOf(url), method, headers, from, now: Date.now() / 1000, ...(user && { user }) };
      try {
        const explanation = explainRequest(manifests, request);
        if (json)
          console.log(JSON.stringify(whatFor ? { ...explanation, whyNot: whyNot(explanation, whatFor) } : explanation));
        else if (whatFor) for (const sentence of whyNot(explanation, whatFor)) console.log(sentence);
        else render(explanation).forEach(print);
      } catch (error) {
        if (error instanceof UnknownSource) command.error(error.message);
        if (!(error instanceof Refusal)) throw error;
        console.error(`This model does not know all of it:\n${error.problems.map((it) => `  ${it}`).join('\n')}`);
        process.exitCode = 1;
      }
    },
  );

function readMethod(word: string): string {
  if (!/^[A-Z]+$/.test(word)) throw new InvalidArgumentError('The first word is a method, such as GET.');
  return word;
}

function readUrl(word: string): URL {
  const url = URL.parse(word);
  if (url?.protocol === 'http:') return url;
  throw new InvalidArgumentError('The second word is a URL, such as http://localhost/productpage.');
}

/** Of a file, or of the files of a folder that kubectl would take. */
function readManifests(path: string): Manifest[] {
  const found = [path, join(ROOT, path)].find((it) => statSync(it, { throwIfNoEntry: false }));
  if (!found) throw new InvalidArgumentError(`There is no file ${path}.`);
  if (!statSync(found).isDirectory()) return parse(path, readFileSync(found, 'utf8'));
  return readdirSync(found)
    .filter((name) => /\.(ya?ml|json)$/.test(name))
    .toSorted()
    .flatMap((name) => parse(join(path, name), readFileSync(join(found, name), 'utf8')));
}

const parse = (path: string, text: string): Manifest[] =>
  parseAllDocuments(text).flatMap((document) => {
    const [error] = document.errors;
    if (error) throw new InvalidArgumentError(`${path}: ${error.message.split('\n')[0]}`);
    return (document.toJS() as Manifest | null) ?? [];
  });

/**
 * What the cluster has; undefined, and said so, when none answers or it has no Istio.
 * @throws {Obstacle} when that is the one that was named
 */
async function fromCluster(namespaces: string[], context: string | undefined): Promise<Manifest[] | undefined> {
  try {
    const cluster = await connect({ context });
    await requireIstio(cluster);
    return await declaredIn(cluster, ...namespaces);
  } catch (error) {
    if (!(error instanceof Obstacle) || context !== undefined) throw error;
    console.error(`${error.problem}: this is about ${SHOP} alone.`);
    return undefined;
  }
}

const STYLES = { step: 'reset', skipped: 'dim', answer: 'bold', remark: 'yellow' } as const;
const print = ({ text, kind }: Line): void => console.log(styleText(STYLES[kind], text));
