/**
 * Puts every case to a real mesh and writes down what it answers: `node packages/mesh/test/differential/record.ts
 * [PART OF A NAME…]`. Needs a cluster with Istio and the images of Bookinfo, and KUBECONFIG; GATEWAY_URL if the ingress
 * gateway answers elsewhere than at the address of its Service. Works in a namespace of its own, and removes it.
 */
import { execFile, spawn } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { inWords, type Manifest, type RawAnswer, readAnswer } from '../../src/index.ts';
import { digest, printed, type RecordedCase, type RecordedProbe, type Recording } from './answers.ts';
import { BASE, CASES, type Case, HOST, NAMESPACE, type Probe } from './cases.ts';

const FILE = join(import.meta.dirname, 'recorded.json');
const MARKER = `marker.${HOST}`;
const POD_OF_GATEWAY = 'bookinfo-gateway-istio';
const AT_A_TIME = 4;
const FORM = { 'content-type': 'application/x-www-form-urlencoded' };

async function kubectl(args: string[], input = ''): Promise<string> {
  const running = promisify(execFile)('kubectl', args, { maxBuffer: 1 << 26 });
  running.child.stdin?.end(input);
  return (await running).stdout;
}
const list = (manifests: Manifest[]): string => JSON.stringify({ apiVersion: 'v1', kind: 'List', items: manifests });
const apply = (manifests: Manifest[]) =>
  kubectl(['apply', '--server-side', '--force-conflicts', '-f', '-'], list(manifests));
const remove = (manifests: Manifest[]) => kubectl(['delete', '--ignore-not-found', '-f', '-'], list(manifests));
const nameOf = ({ apiVersion, kind, metadata }: Manifest): string =>
  `${apiVersion.split('/').slice(0, -1)}/${kind} ${metadata?.namespace}/${metadata?.name}`;

interface Timed extends RawAnswer {
  seconds: number;
}

/** Sends requests from inside a pod, as fast as lines come: one process a pod for the whole recording. */
const AGENT = `
const http = require('node:http');
const one = ({ method, url, headers }) => new Promise((resolve) => {
  const start = performance.now();
  const done = (answer) => resolve({ ...answer, seconds: (performance.now() - start) / 1000 });
  const request = http.request(url, { method, headers, agent: false, timeout: 20000 }, (response) => {
    let body = '';
    response.on('data', (chunk) => { body += chunk; });
    response.on('error', () => done({ status: 0, body: 'cut off' }));
    response.on('end', () => done({ status: response.statusCode, version: response.headers['x-service-version'], body }));
  });
  request.on('timeout', () => request.destroy(new Error('timeout')));
  request.on('error', (error) => done({ status: 0, body: String(error.code) }));
  // Every POST brings what ratings has anyway.
  if (method === 'POST') request.setHeader('content-type', 'application/json');
  request.end(method === 'POST' ? '{"Reviewer1":5,"Reviewer2":4}' : undefined);
});
require('node:readline').createInterface({ input: process.stdin }).on('line', async (line) => {
  const { id, count, ...wanted } = JSON.parse(line);
  const answers = [];
  let left = count;
  const worker = async () => { while (left-- > 0) answers.push(await one(wanted)); };
  await Promise.all(Array.from({ length: ${AT_A_TIME} }, worker));
  console.log(JSON.stringify({ id, answers }));
});`;

class Agent {
  readonly #child;
  readonly #waiting = new Map<number, (answers: Timed[]) => void>();
  #next = 0;
  constructor(workload: string) {
    const container = workload.replace(/-v\d$/, '');
    const exec = ['exec', '-i', `--namespace=${NAMESPACE}`, `deployment/${workload}`, `--container=${container}`];
    this.#child = spawn('kubectl', [...exec, '--', 'node', '-e', AGENT], { stdio: ['pipe', 'pipe', 'inherit'] });
    createInterface({ input: this.#child.stdout }).on('line', (line) => {
      const { id, answers } = JSON.parse(line) as { id: number; answers: Timed[] };
      this.#waiting.get(id)?.(answers);
      this.#waiting.delete(id);
    });
  }
  send(wanted: Omit<Probe, 'from' | 'user'>): Promise<Timed[]> {
    const id = this.#next++;
    const { promise, resolve } = Promise.withResolvers<Timed[]>();
    this.#waiting.set(id, resolve);
    this.#child.stdin.write(`${JSON.stringify({ id, ...wanted })}\n`);
    return promise;
  }
  close(): void {
    this.#child.kill();
  }
}

const WORKLOADS = BASE.filter(({ kind }) => kind === 'Deployment').map(({ metadata }) => metadata?.name ?? '');
const CLIENTS = WORKLOADS.filter((it) => it !== 'outsider');

async function gatewayUrl(): Promise<string> {
  if (process.env.GATEWAY_URL) return `http://${process.env.GATEWAY_URL.replace(/^http:\/\//, '')}`;
  const address = '{.status.loadBalancer.ingress[0].ip}{.status.loadBalancer.ingress[0].hostname}';
  const found = await kubectl([
    'get',
    'service/istio-ingressgateway',
    '--namespace=istio-system',
    `--output=jsonpath=${address}`,
  ]);
  return `http://${found || 'localhost'}`;
}

/** A request from outside to the shared gateway, for our host. */
async function outside(
  gateway: string,
  path: string,
  method: string,
  headers: Record<string, string>,
  form?: string,
): Promise<Timed & { cookie?: string }> {
  const start = performance.now();
  const seconds = () => (performance.now() - start) / 1000;
  const { promise, resolve } = Promise.withResolvers<Timed & { cookie?: string }>();
  const sent = request(
    gateway + path,
    { method, headers: { host: HOST, ...headers }, agent: false, timeout: 20_000 },
    async (answer) => {
      const body = (await answer.toArray()).join('');
      const version = answer.headers['x-service-version'];
      const cookie = answer.headers['set-cookie']?.find((it) => it.startsWith('session='))?.split(';')[0];
      resolve({
        status: answer.statusCode ?? 0,
        body,
        seconds: seconds(),
        ...(typeof version === 'string' && { version }),
        ...(cookie && { cookie }),
      });
    },
  );
  sent.on('error', (error) => resolve({ status: 0, body: String(error), seconds: seconds() }));
  sent.end(form);
  return promise;
}

interface Mesh {
  gateway: string;
  agents: Map<string, Agent>;
}

/** Every proxy has what was applied before a marker once it knows the marker: it gets changes in one order. */
async function arrived({ gateway, agents }: Mesh, number: number): Promise<void> {
  const marker = `marker ${number}`;
  const direct = (more: object) => ({ ...more, http: [{ directResponse: { status: 200, body: { string: marker } } }] });
  const istio = (kind: string, name: string, spec: object): Manifest => ({
    apiVersion: 'networking.istio.io/v1',
    kind,
    metadata: { name, namespace: NAMESPACE },
    spec,
  });
  const redirect = { type: 'RequestRedirect', requestRedirect: { hostname: `m${number}.test`, statusCode: 302 } };
  await apply([
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'marker', namespace: NAMESPACE },
      spec: { ports: [{ name: 'http', port: 9080 }] },
    },
    istio('VirtualService', 'marker', direct({ hosts: ['marker'] })),
    istio('VirtualService', 'marker-outside', direct({ hosts: [MARKER], gateways: ['marker'] })),
    istio('Gateway', 'marker', {
      selector: { istio: 'ingressgateway' },
      servers: [{ port: { number: 80, name: 'http', protocol: 'HTTP' }, hosts: [MARKER] }],
    }),
    {
      apiVersion: 'gateway.networking.k8s.io/v1',
      kind: 'HTTPRoute',
      metadata: { name: 'marker', namespace: NAMESPACE },
      spec: { parentRefs: [{ name: 'bookinfo-gateway' }], hostnames: [MARKER], rules: [{ filters: [redirect] }] },
    },
  ]);
  const get = { method: 'GET', headers: {}, count: 1 };
  const until = async (name: string, knows: () => Promise<boolean>) => {
    for (const end = Date.now() + 60_000; !(await knows()); await sleep(100))
      if (Date.now() > end) throw new Error(`${name} does not learn of ${marker}`);
  };
  await Promise.all([
    ...CLIENTS.map((client) =>
      until(
        client,
        async () => (await agents.get(client)?.send({ ...get, url: 'http://marker:9080/' }))?.[0]?.body === marker,
      ),
    ),
    until('the ingress gateway', async () => (await outside(gateway, '/', 'GET', { host: MARKER })).body === marker),
    // Envoy refuses the marker too, where a policy closes this gateway.
    until(POD_OF_GATEWAY, async () => {
      const wanted = { ...get, url: `http://${POD_OF_GATEWAY}/m${number}`, headers: { host: MARKER } };
      const answer = (await agents.get('outsider')?.send(wanted))?.[0];
      return answer?.status === 302 || answer?.status === 403;
    }),
  ]);
}

async function ask({ gateway, agents }: Mesh, { from, url, method, headers, user, count }: Probe): Promise<Timed[]> {
  if (from === POD_OF_GATEWAY)
    return (
      (await agents
        .get('outsider')
        ?.send({ method, url: `http://${POD_OF_GATEWAY}${url}`, headers: { host: HOST, ...headers }, count })) ?? []
    );
  if (from !== 'ingress') return (await agents.get(from)?.send({ method, url, headers, count })) ?? [];
  const session = user ? await outside(gateway, '/login', 'POST', FORM, `username=${user}&passwd=password`) : undefined;
  const all = { ...headers, ...(session?.cookie && { cookie: session.cookie }) };
  const answers: Timed[] = [];
  let left = count;
  const worker = async () => {
    while (left-- > 0) answers.push(await outside(gateway, url, method, all));
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, worker));
  return answers;
}

async function probe(mesh: Mesh, wanted: Probe): Promise<RecordedProbe> {
  const answers: RecordedProbe['answers'] = {};
  const bodies = new Set<string>();
  for (const answer of await ask(mesh, wanted)) {
    const key = inWords(readAnswer(answer));
    const { count = 0, seconds = 0 } = answers[key] ?? {};
    answers[key] = { count: count + 1, seconds: Number(Math.max(seconds, answer.seconds).toFixed(1)) };
    if (!answer.version) bodies.add(answer.body.slice(0, 120));
  }
  return { answers, bodies: [...bodies].sort() };
}

/** One case: applied, arrived, asked, and taken back. Undefined when the API server refuses it. */
async function record(mesh: Mesh, number: number, it: Case): Promise<RecordedCase | undefined> {
  const replaced = new Set(it.manifests.map(nameOf));
  const added = it.manifests.filter((manifest) => !BASE.some((base) => nameOf(base) === nameOf(manifest)));
  try {
    if (it.manifests.length > 0) await apply(it.manifests);
    for (const { metadata } of added.filter(({ kind }) => kind === 'Deployment')) await ready(metadata?.name ?? '');
    await arrived(mesh, number);
    const probes = [];
    for (const wanted of it.probes) probes.push(await probe(mesh, wanted));
    return { name: it.name, digest: digest(BASE, it), probes };
  } catch (error) {
    const { stderr } = error as { stderr?: string };
    if (!stderr) throw error;
    console.log(`${it.name}: refused: ${stderr.trim().split('\n')[0]}`);
    return undefined;
  } finally {
    if (added.length > 0) await remove(added);
    const spoiled = BASE.filter((base) => replaced.has(nameOf(base)));
    if (spoiled.length > 0) await apply(spoiled);
  }
}

const ready = (deployment: string) =>
  kubectl(['rollout', 'status', `deployment/${deployment}`, `--namespace=${NAMESPACE}`, '--timeout=180s']);

async function versions(): Promise<Recording['versions']> {
  const { serverVersion } = JSON.parse(await kubectl(['version', '--output=json'])) as {
    serverVersion: { gitVersion: string };
  };
  const inProxy = ['exec', `--namespace=${NAMESPACE}`, 'deployment/ratings-v1', '--container=istio-proxy', '--'];
  const info = JSON.parse(await kubectl([...inProxy, 'pilot-agent', 'request', 'GET', 'server_info'])) as {
    version: string;
    node: { metadata: { ISTIO_VERSION: string } };
  };
  const [, number = info.version] = /\/(\d+\.\d+\.\d+)/.exec(info.version) ?? [];
  return {
    istio: info.node.metadata.ISTIO_VERSION,
    envoy: number,
    kubernetes: serverVersion.gitVersion,
    date: new Date().toISOString().slice(0, 10),
  };
}

const known = existsSync(FILE) ? (JSON.parse(readFileSync(FILE, 'utf8')) as Recording) : undefined;
const wanted = process.argv.slice(2);
const cases = CASES.filter(({ name }) => wanted.length === 0 || wanted.some((part) => name.includes(part)));
const recorded = new Map(known?.cases.map((it) => [it.name, it]));
const label = { 'istio-injection': 'enabled' };
const mesh: Mesh = { gateway: await gatewayUrl(), agents: new Map() };
const start = performance.now();
try {
  await apply([{ apiVersion: 'v1', kind: 'Namespace', metadata: { name: NAMESPACE, labels: label } }]);
  await apply(BASE);
  for (const workload of [...WORKLOADS, POD_OF_GATEWAY]) await ready(workload);
  for (const workload of WORKLOADS) mesh.agents.set(workload, new Agent(workload));
  const now = await versions();
  console.log(
    `${Object.entries(now)
      .map((it) => it.join(' '))
      .join(', ')}; ${cases.length} cases`,
  );
  for (const [i, it] of cases.entries()) {
    const result = await record(mesh, Math.floor(Date.now() / 1000), it);
    if (!result) continue;
    recorded.set(it.name, result);
    const all = CASES.flatMap(({ name }) => recorded.get(name) ?? []);
    writeFileSync(FILE, printed({ versions: now, cases: all }));
    console.log(`${i + 1}/${cases.length} ${it.name} (${((performance.now() - start) / 1000).toFixed(0)} s)`);
  }
} finally {
  for (const agent of mesh.agents.values()) agent.close();
  await kubectl(['delete', 'namespace', NAMESPACE, '--ignore-not-found']);
}
