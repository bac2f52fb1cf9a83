/**
 * Applies every manifest to a real API server, as strictly as it can be asked to, and lets `istioctl analyze` judge
 * what a learner of each lesson would have. No pod runs: there is an etcd and an API server on loopback, no more.
 *
 *   MESH_BIN=/path/to/binaries test/apiserver
 *
 * The folder holds etcd, kube-apiserver and istioctl; kubectl and go may also be on the PATH.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { openSync, rmSync } from 'node:fs';
import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { text as readText } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseAllDocuments } from 'yaml';
import { appliedFiles, type Manifest, parse, ROOT } from './manifests/load.ts';

const GATEWAY_API = 'sigs.k8s.io/gateway-api@v1.6.0';

/** Kinds whose API this server does not have, and why that is no gap. */
const NOT_SERVED: [apiVersion: RegExp, reason: string][] = [
  [/^argoproj\.io\//, 'Argo is not part of the lab cluster; test/manifests checks the schema'],
  [
    /^monitoring\.coreos\.com\//,
    'the Prometheus Operator is not part of the lab cluster; test/manifests checks the schema',
  ],
  [/^cert-manager\.io\//, 'cert-manager is not part of the lab cluster; test/manifests checks the schema'],
  [/^install\.istio\.io\//, 'input of istioctl, which has just installed from it'],
];

/** What a learner of the routing lessons has running; every lesson starts from it. */
const APPLICATION = [
  ...['bookinfo', 'bookinfo-versions', 'bookinfo-details-v2', 'bookinfo-ratings-v2', 'bookinfo-ratings-v2-mysql'],
  ...['bookinfo-ratings-v2-mysql-vm', 'bookinfo-db', 'bookinfo-mysql', 'productpage-v2', 'productpage-v-flooding'],
  ...['ratings-v-faulty', 'ratings-v-delayed', 'ratings-v-unavailable', 'ratings-v-unhealthy', 'curl', 'production'],
].map((name) => `k8s/${name}.yaml`);
const ROUTING = ['istio/destination-rule-all.yaml', 'istio/bookinfo-gateway.yaml'];

/** Findings that a learner may see and that are no mistake: which, in which files, and why. */
const ACCEPTED: [finding: string, files: RegExp, why: string][] = [
  ['IST0103=Pod *', /./, 'the pods here are made from their templates, and no webhook adds the proxy'],
  [
    'IST0133=EnvoyFilter *',
    /_envoy_ratelimit\.yaml$/,
    'Istio limits rates by EnvoyFilter only, and warns of every EnvoyFilter',
  ],
  ['IST0175=Deployment istio-system/istiod', /canary-by-token\.yaml$/, 'its key is in the file: istiod fetches none'],
  [
    'IST0140=VirtualService default/bookinfo',
    /virtual-service-all-v1\.yaml$/,
    "it pins productpage for callers in the mesh; what comes in by the gateway is the gateway's own route",
  ],
];

// --- results

const counts = { passed: 0, failed: 0, skipped: 0 };

function record(outcome: keyof typeof counts, what: string, detail = ''): void {
  counts[outcome]++;
  if (outcome === 'passed') return;
  console.log(`${outcome.toUpperCase()} ${what}${detail && `\n  ${detail.trim().replaceAll('\n', '\n  ')}`}`);
}

// --- programs

const bin = process.env.MESH_BIN;
const env = { ...process.env, PATH: `${bin}:${process.env.PATH}` };

interface Result {
  ok: boolean;
  stdout: string;
  /** All that was printed, with every warning a failure. */
  output: string;
}

/** Not the synchronous kind, so that a signal is heard at once. */
async function run(program: string, args: string[], input = ''): Promise<Result> {
  const child = spawn(program, args, { env });
  child.stdin.end(input);
  const [stdout, stderr, [status]] = await Promise.all([
    readText(child.stdout),
    readText(child.stderr),
    once(child, 'close') as Promise<[number | null]>,
  ]);
  return { ok: status === 0 && !/^Warning:/m.test(stderr), stdout, output: stdout + stderr };
}

async function expectOk(program: string, args: string[], input?: string): Promise<string> {
  const { ok, stdout, output } = await run(program, args, input);
  if (!ok) throw new Error(`${program} ${args.join(' ')}\n${output}`);
  return stdout;
}

function whyNot(): string | undefined {
  if (!bin) return 'MESH_BIN does not name a folder with etcd, kube-apiserver and istioctl';
  const missing = ['etcd', 'kube-apiserver', 'istioctl', 'kubectl', 'go'].filter(
    (program) => spawnSync('which', [program], { env }).status !== 0,
  );
  return missing.length > 0 ? `not found in ${bin} or on the PATH: ${missing.join(', ')}` : undefined;
}

// --- the server

const children: ChildProcess[] = [];

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

function start(folder: string, program: string, args: string[]): void {
  const log = openSync(join(folder, `${program}.log`), 'w');
  children.push(spawn(program, args, { env, stdio: ['ignore', log, log] }));
}

function stop(folder: string): void {
  for (const child of children.splice(0).reverse()) child.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
}

async function startServer(folder: string): Promise<void> {
  const [client, peer, secure] = await Promise.all([freePort(), freePort(), freePort()]);
  const etcd = `http://127.0.0.1:${client}`;
  start(folder, 'etcd', [
    `--data-dir=${join(folder, 'etcd')}`,
    '--unsafe-no-fsync',
    '--log-level=warn',
    `--listen-client-urls=${etcd}`,
    `--advertise-client-urls=${etcd}`,
    `--listen-peer-urls=http://127.0.0.1:${peer}`,
  ]);

  const token = randomBytes(16).toString('hex');
  const key = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  });
  const file = (name: string) => join(folder, name);
  await writeFile(file('tokens.csv'), `${token},admin,admin,system:masters\n`);
  await writeFile(file('sa.key'), key.privateKey);
  await writeFile(file('sa.pub'), key.publicKey);
  await writeFile(
    file('kubeconfig'),
    JSON.stringify({
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [
        { name: 'test', cluster: { server: `https://127.0.0.1:${secure}`, 'insecure-skip-tls-verify': true } },
      ],
      users: [{ name: 'admin', user: { token } }],
      contexts: [{ name: 'test', context: { cluster: 'test', user: 'admin' } }],
      'current-context': 'test',
    }),
  );
  Object.assign(env, { KUBECONFIG: file('kubeconfig'), KUBECACHEDIR: file('cache') });

  start(folder, 'kube-apiserver', [
    `--etcd-servers=${etcd}`,
    `--secure-port=${secure}`,
    '--bind-address=127.0.0.1',
    '--advertise-address=127.0.0.1',
    '--endpoint-reconciler-type=none',
    `--cert-dir=${folder}`,
    `--token-auth-file=${file('tokens.csv')}`,
    '--authorization-mode=RBAC',
    '--service-account-issuer=https://kubernetes.default.svc',
    `--service-account-key-file=${file('sa.pub')}`,
    `--service-account-signing-key-file=${file('sa.key')}`,
    '--service-cluster-ip-range=10.96.0.0/16,fd00:10:96::/112',
  ]);
  for (const until = Date.now() + 90_000; !(await run('kubectl', ['get', '--raw', '/readyz'])).ok; await sleep(500)) {
    if (Date.now() > until || children.some(({ exitCode }) => exitCode !== null))
      throw new Error(
        `The API server did not start:\n${(await readFile(file('kube-apiserver.log'), 'utf8')).slice(-4000)}`,
      );
  }
}

// --- the cluster

const list = (docs: object[]): string => JSON.stringify({ apiVersion: 'v1', kind: 'List', items: docs });
const apply = (docs: object[], ...flags: string[]): Promise<Result> =>
  run('kubectl', ['apply', '--validate=strict', ...flags, '--filename=-'], list(docs));

/** A namespace whose pods must be `restricted`, and the account that the controller manager would have made in it. */
async function namespace(name: string, labels: Record<string, string>): Promise<void> {
  const made = await apply([
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } },
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'default', namespace: name } },
  ]);
  // `default` exists from the start, which kubectl remarks upon.
  if (!made.ok && name !== 'default') throw new Error(made.output);
}

const RESTRICTED = {
  'pod-security.kubernetes.io/enforce': 'restricted',
  'pod-security.kubernetes.io/warn': 'restricted',
};

/** Istio as `istio/mesh-config.yaml` installs it, less its webhooks, behind which nothing would answer. */
async function installApis(): Promise<void> {
  await namespace('default', { ...RESTRICTED, 'istio-injection': 'enabled' });
  await namespace('production', { ...RESTRICTED, 'istio-injection': 'enabled' });
  await namespace('istio-system', { 'pod-security.kubernetes.io/warn': 'restricted' });
  const install = await expectOk('istioctl', ['manifest', 'generate', '-f', join(ROOT, 'istio/mesh-config.yaml')]);
  const istio = parseAllDocuments(install)
    .map((document) => document.toJS() as Manifest | null)
    .filter((doc) => doc !== null && !doc.kind.endsWith('WebhookConfiguration'))
    .map((doc) => doc as Manifest);
  const isCrd = ({ kind }: Manifest): boolean => kind === 'CustomResourceDefinition';
  await expectOk('kubectl', ['apply', '--server-side', '--filename=-'], list(istio.filter(isCrd)));
  const { Dir } = JSON.parse(await expectOk('go', ['mod', 'download', '-json', GATEWAY_API])) as { Dir: string };
  await expectOk('kubectl', ['apply', '--server-side', `--filename=${join(Dir, 'config/crd/standard')}`]);
  await expectOk('kubectl', ['wait', '--for=condition=Established', 'crd', '--all', '--timeout=60s']);
  await run('kubectl', ['apply', '--filename=-'], list(istio.filter((doc) => !isCrd(doc))));
  await createPods(istio, 'istio-system');
}

/** The API versions and kinds that the server has. */
async function servedKinds(): Promise<Set<string>> {
  const table = await expectOk('kubectl', ['api-resources', '--no-headers']);
  return new Set(
    table
      .split('\n')
      .map((line) => line.trim().split(/\s+/))
      .map((columns) => `${columns.at(-3)} ${columns.at(-1)}`),
  );
}

interface Workload extends Manifest {
  spec: {
    template: { metadata: object; spec: { volumes?: object[] } };
    volumeClaimTemplates?: { metadata: { name: string } }[];
  };
}

/** Creates what a controller would: one pod of each workload. Here, not at the Deployment, a policy refuses a pod. */
async function createPods(docs: Manifest[], fallback: string): Promise<void> {
  for (const doc of docs.filter(({ kind }) => kind === 'Deployment' || kind === 'StatefulSet')) {
    const { metadata, spec } = doc as Workload;
    const volumes = (spec.volumeClaimTemplates ?? []).map((claim) => ({ name: claim.metadata.name, emptyDir: {} }));
    const pod = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { ...spec.template.metadata, name: `${metadata.name}-0`, namespace: metadata.namespace ?? fallback },
      spec: { ...spec.template.spec, volumes: [...(spec.template.spec.volumes ?? []), ...volumes] },
    };
    const { ok, output } = await run('kubectl', ['create', '--validate=strict', '--filename=-'], list([pod]));
    if (fallback !== 'istio-system') record(ok ? 'passed' : 'failed', `pod of ${metadata.name}`, output);
  }
}

// --- the tests

let served = new Set<string>();

/** The documents of a file that this server can take; the others are counted as skipped, or failed without a reason. */
function servable(file: string): Manifest[] {
  return parse(file).flatMap(({ doc }) => {
    if (served.has(`${doc.apiVersion} ${doc.kind}`)) return [doc];
    const reason = NOT_SERVED.find(([apiVersion]) => apiVersion.test(doc.apiVersion))?.[1];
    record(reason ? 'skipped' : 'failed', `${file} ${doc.kind}`, reason ?? `${doc.apiVersion} is not served`);
    return [];
  });
}

/** Applies documents, those without a namespace of their own to `target`; returns how to take them away again. */
async function applyDocs(what: string, docs: Manifest[], target: string): Promise<() => Promise<void>> {
  if (docs.length === 0) return async () => {};
  const scope = docs.some(({ metadata }) => metadata.namespace !== undefined) ? [] : [`--namespace=${target}`];
  const { ok, output } = await apply(docs, ...scope);
  record(ok ? 'passed' : 'failed', `apply ${what}`, output);
  // A namespace would never be gone: the controller that empties it does not run.
  const removable = docs.filter(({ kind }) => kind !== 'Namespace');
  return async () => {
    await run('kubectl', ['delete', '--ignore-not-found', '--wait=false', ...scope, '--filename=-'], list(removable));
  };
}

async function analyze(what: string): Promise<void> {
  const { ok, output } = await run('istioctl', [
    'analyze',
    '--all-namespaces',
    '--failure-threshold=Info',
    '--color=false',
    ...ACCEPTED.filter(([, files]) => files.test(what)).map(([finding]) => `--suppress=${finding}`),
  ]);
  record(ok ? 'passed' : 'failed', `analyze ${what}`, output);
}

async function main(): Promise<void> {
  const reason = whyNot();
  if (reason) {
    console.log(`test/apiserver was skipped: ${reason}`);
    console.log('0 passed, 0 failed, 1 skipped');
    return;
  }
  const folder = await mkdtemp(join(tmpdir(), 'bookinfo-apiserver-'));
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.once(signal, () => {
      stop(folder);
      process.exit(1);
    });
  try {
    await startServer(folder);
    await installApis();
    served = await servedKinds();
    const files = appliedFiles().map((file) => ({ file, docs: servable(file) }));
    const named = (names: string[]) =>
      names.map((name) => {
        const found = files.find(({ file }) => file === name);
        if (!found) throw new Error(`${name} is not there`);
        return found;
      });
    const isAddon = (file: string) => file.startsWith('istio/addons/');
    const isFlat = (file: string) => /^k8s\/[^/]+$/.test(file);

    // Each flat file alone, in a namespace of its own.
    for (const { file, docs } of files.filter(({ file }) => isFlat(file))) {
      const own = basename(file, '.yaml');
      await namespace(own, { ...RESTRICTED, 'istio-injection': 'disabled' });
      const remove = await applyDocs(file, docs, own);
      await remove();
    }

    // The application as the lessons have it.
    for (const { file, docs } of [...named(APPLICATION), ...files.filter(({ file }) => isAddon(file))]) {
      await applyDocs(`${file} for the lessons`, docs, 'default');
      await createPods(docs, 'default');
    }
    for (const { file, docs } of named(ROUTING)) await applyDocs(file, docs, 'default');
    await analyze('the application with its gateway and subsets');

    // Each lesson on top of it, and away again.
    for (const { file, docs } of files) {
      if (isFlat(file) || isAddon(file) || ROUTING.includes(file) || docs.length === 0) continue;
      const remove = await applyDocs(file, docs, 'default');
      await analyze(file);
      await remove();
      // It may have replaced, and so removed, what the next lesson starts from.
      for (const routing of named(ROUTING)) await apply(routing.docs);
    }
  } finally {
    stop(folder);
  }
  console.log(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
  if (counts.failed > 0) process.exitCode = 1;
}

await main();
