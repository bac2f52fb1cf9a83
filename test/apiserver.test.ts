/**
 * Applies every manifest to a real API server, as strictly as it can be asked to, and lets `istioctl analyze` judge
 * what a learner of each lesson would have. No pod runs.
 */

import { basename, join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest';
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

const isAddon = (file: string) => file.startsWith('istio/addons/');
const isFlat = (file: string) => /^k8s\/[^/]+$/.test(file);
const FILES = appliedFiles();
const LESSONS = FILES.filter((file) => !isFlat(file) && !isAddon(file) && !ROUTING.includes(file));

// --- programs

interface Result {
  ok: boolean;
  stdout: string;
  /** All that was printed, with every warning a failure. */
  output: string;
}

async function run(program: string, args: string[], input = ''): Promise<Result> {
  const options = { env: inject('serverEnvironment'), input, reject: false } as const;
  const { exitCode, stdout, stderr } = await execa(program, args, options);
  return { ok: exitCode === 0 && !/^Warning:/m.test(stderr), stdout, output: stdout + stderr };
}

async function expectOk(program: string, args: string[], input?: string): Promise<string> {
  const { ok, stdout, output } = await run(program, args, input);
  if (!ok) throw new Error(`${program} ${args.join(' ')}\n${output}`);
  return stdout;
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
async function servedKinds(): Promise<string[]> {
  const table = await expectOk('kubectl', ['api-resources', '--no-headers']);
  return table
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .map((columns) => `${columns.at(-3)} ${columns.at(-1)}`);
}

interface Workload extends Manifest {
  spec: {
    template: { metadata: object; spec: { volumes?: object[] } };
    volumeClaimTemplates?: { metadata: { name: string } }[];
  };
}

/** Creates what a controller would: one pod of each workload. Here, not at the Deployment, a policy refuses a pod. */
async function createPods(docs: Manifest[], fallback: string): Promise<Result[]> {
  const results: Result[] = [];
  for (const doc of docs.filter(({ kind }) => kind === 'Deployment' || kind === 'StatefulSet')) {
    const { metadata, spec } = doc as Workload;
    const volumes = (spec.volumeClaimTemplates ?? []).map((claim) => ({ name: claim.metadata.name, emptyDir: {} }));
    const pod = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { ...spec.template.metadata, name: `${metadata.name}-0`, namespace: metadata.namespace ?? fallback },
      spec: { ...spec.template.spec, volumes: [...(spec.template.spec.volumes ?? []), ...volumes] },
    };
    results.push(await run('kubectl', ['create', '--validate=strict', '--filename=-'], list([pod])));
  }
  return results;
}

/** The documents of a file that this server takes, and why it does not take the others. */
function servable(file: string): { docs: Manifest[]; reasons: string[] } {
  const docs: Manifest[] = [];
  const reasons = new Set<string>();
  for (const { doc } of parse(file)) {
    const reason = NOT_SERVED.find(([apiVersion]) => apiVersion.test(doc.apiVersion))?.[1];
    if (reason) reasons.add(`${doc.kind}: ${reason}`);
    else docs.push(doc);
  }
  return { docs, reasons: [...reasons] };
}

const scopeOf = (docs: Manifest[], target: string): string[] =>
  docs.some(({ metadata }) => metadata.namespace !== undefined) ? [] : [`--namespace=${target}`];

/** Applies documents, those without a namespace of their own to `target`. */
async function applyTo(target: string, docs: Manifest[]): Promise<void> {
  const { ok, output } = await apply(docs, ...scopeOf(docs, target));
  expect(ok, output).toBe(true);
}

async function remove(target: string, docs: Manifest[]): Promise<void> {
  // A namespace would never be gone: the controller that empties it does not run.
  const removable = docs.filter(({ kind }) => kind !== 'Namespace');
  const flags = ['--ignore-not-found', '--wait=false', ...scopeOf(docs, target)];
  await run('kubectl', ['delete', ...flags, '--filename=-'], list(removable));
}

/** Has istioctl judge the cluster, less what `ACCEPTED` says of this file. */
async function analyze(file = 'the application'): Promise<void> {
  const accepted = ACCEPTED.filter(([, files]) => files.test(file)).map(([finding]) => `--suppress=${finding}`);
  const flags = ['--all-namespaces', '--failure-threshold=Info', '--color=false'];
  const { ok, output } = await run('istioctl', ['analyze', ...flags, ...accepted]);
  expect(ok, output).toBe(true);
}

// --- the tests

beforeEach(({ skip }) => {
  const reason = inject('noServer');
  if (reason) skip(reason);
});

beforeAll(async () => {
  if (!inject('noServer')) await installApis();
});

test('the server has every kind of every manifest, but for those that the lab does not install', async () => {
  const served = await servedKinds();
  const wanted = FILES.flatMap((file) => servable(file).docs.map((doc) => `${doc.apiVersion} ${doc.kind}`));
  expect([...new Set(wanted)].filter((kind) => !served.includes(kind))).toEqual([]);
});

describe('each flat file alone', () => {
  test.for(FILES.filter(isFlat))(
    '%s is taken by a namespace of its own that wants restricted pods',
    async (file, { skip }) => {
      const { docs, reasons } = servable(file);
      if (docs.length === 0) skip(reasons.join('; '));
      const own = basename(file, '.yaml');
      await namespace(own, { ...RESTRICTED, 'istio-injection': 'disabled' });
      await applyTo(own, docs);
      await remove(own, docs);
    },
  );
});

describe('a cluster as docs/lab.md leaves it', () => {
  const namespaceOfLab = 'lab';
  const routing = ['virtual-service-all-v1', 'authorization-least-privilege'].map((name) => `istio/${name}.yaml`);
  const database = ['k8s/bookinfo-mysql.yaml', 'k8s/bookinfo-ratings-v2-mysql.yaml'];
  const applied: Manifest[] = [];

  async function deploy(files: string[]): Promise<void> {
    const docs = files.flatMap((file) => servable(file).docs);
    await applyTo(namespaceOfLab, docs);
    for (const { ok, output } of await createPods(docs, namespaceOfLab)) expect(ok, output).toBe(true);
    applied.push(...docs);
  }

  /** What is found, where, and in which subset; but for the proxies, which no webhook has added to these pods. */
  async function findings(): Promise<string[]> {
    const flags = [`--namespace=${namespaceOfLab}`, '--suppress=IST0103=*', '--output=json'];
    const { stdout } = await run('istioctl', ['analyze', ...flags]);
    return (JSON.parse(stdout) as { code: string; origin: string; message: string }[])
      .map(({ code, origin, message }) => [code, origin, /Subset (v\S+)/.exec(message)?.[1]].filter(Boolean).join(' '))
      .toSorted();
  }

  afterAll(async () => {
    await run('kubectl', ['delete', 'pods', '--all', '--now', `--namespace=${namespaceOfLab}`]);
    await remove(namespaceOfLab, applied);
  });

  test('istioctl finds what the guide says, with and without the database', async () => {
    await namespace(namespaceOfLab, { ...RESTRICTED, 'istio-injection': 'enabled' });
    await deploy(['k8s/bookinfo.yaml', ...ROUTING, ...routing]);
    const always = [
      'IST0127 AuthorizationPolicy lab/mongodb',
      'IST0140 VirtualService lab/bookinfo',
      'IST0173 DestinationRule lab/ratings v2-mysql-vm',
    ];
    const withoutDatabase = ['IST0127 AuthorizationPolicy lab/mysqldb', 'IST0173 DestinationRule lab/ratings v2-mysql'];
    expect(await findings()).toEqual([...always, ...withoutDatabase].toSorted());
    await deploy([...database, 'istio/virtual-service-ratings-mysql.yaml']);
    expect(await findings()).toEqual(always);
  });
});

describe('the application as the lessons have it', () => {
  const files = [...APPLICATION, ...FILES.filter(isAddon)];

  beforeAll(async () => {
    if (inject('noServer')) return;
    for (const file of [...files, ...ROUTING]) await applyTo('default', servable(file).docs);
  });

  test.for(files)('the pods of %s are admitted', async (file) => {
    for (const { ok, output } of await createPods(servable(file).docs, 'default')) expect(ok, output).toBe(true);
  });

  test('istioctl finds no fault with it', async () => {
    await analyze();
  });

  test.for(LESSONS)('istioctl finds no fault with %s on top of it', async (file, { skip }) => {
    const { docs, reasons } = servable(file);
    if (docs.length === 0) skip(reasons.join('; '));
    await applyTo('default', docs);
    await analyze(file);
    await remove('default', docs);
    // It may have replaced, and so removed, what the next lesson starts from.
    for (const routing of ROUTING) await applyTo('default', servable(routing).docs);
  });
});
