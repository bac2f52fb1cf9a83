/** `npx pnpm@12 lab doctor`, as it is typed, on machines and clusters of every state. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { text } from '../../manifests/load.ts';
import { type Answers, StubPrograms } from '../../support/stub-programs.ts';
import { type ClusterOptions, cluster, DOCKER, ISTIOCTL, ISTIOD, node, pod, WORKLOADS } from './stub-cluster.ts';

interface Finding {
  what: string;
  state: string;
  seen: string;
  next?: string;
}

/** Plays the gateway: the status of its answers, and how many requests it leaves without one. */
let status = 200;
let ignored = 0;
const gateway = createServer((_, response) => {
  if (ignored-- <= 0) response.writeHead(status, { server: 'istio-envoy' }).end();
});
let GATEWAY_URL: string;

beforeAll(async () => {
  await new Promise<void>((resolve) => gateway.listen(0, '127.0.0.1', resolve));
  GATEWAY_URL = `127.0.0.1:${(gateway.address() as AddressInfo).port}`;
});
afterAll(() => gateway.close());

async function examine(
  programs: Record<string, Answers>,
): Promise<{ findings: Record<string, Finding>; exitCode: number | undefined }> {
  await using stubs = await StubPrograms.create(programs);
  const { stdout, stderr, exitCode } = await stubs.lab(['doctor', '--json'], { GATEWAY_URL });
  expect(stderr).toBe('');
  const { findings } = JSON.parse(stdout) as { findings: Finding[] };
  return { findings: Object.fromEntries(findings.map((it) => [it.what, it])), exitCode };
}

/** The machine is well, the cluster is as it is said. */
const inCluster = (options: ClusterOptions = {}, more: Answers = {}) =>
  examine({ kubectl: cluster(options, more), docker: DOCKER, istioctl: ISTIOCTL });

describe('npx pnpm@12 lab doctor', () => {
  test('finds nothing in the way where all is well, and prints a line for each thing', async () => {
    await using stubs = await StubPrograms.create({ kubectl: cluster(), docker: DOCKER, istioctl: ISTIOCTL });
    const { stdout, exitCode } = await stubs.lab(['doctor'], { GATEWAY_URL });
    expect(exitCode).toBe(0);
    const lines = stdout.split('\n').filter((line) => !line.includes(' ports '));
    expect(lines.filter((line) => !line.startsWith('✓')).join()).toMatch(/^○ Gateway API .* → istio\/README\.md/);
    expect(stdout).toContain('✓ cluster     Docker Desktop, kind: context docker-desktop, node desktop-control-plane');
    expect(stdout).toContain('✓ Istio       istiod 1.31.0, istioctl 1.31.0');
    expect(stdout).toMatch(/✓ capacity +7296 of 8192 MiB and 3\.\d of 4\.0 CPUs are not asked for yet/);
    expect(stdout).toContain(`✓ gateway     http://${GATEWAY_URL}/productpage answers 200`);
  });

  test('says of a new Docker Desktop what the guide says', async () => {
    const system = [pod('coredns', { namespace: 'kube-system', sidecar: false })];
    const kubectl = cluster({ pods: system, labels: {}, version: 'v1.36.1' });
    await using stubs = await StubPrograms.create({ kubectl, docker: DOCKER });
    const { stdout } = await stubs.lab(['doctor']);
    const [, printed = ''] = /^```text\n(✓ Node .*?)\n```$/ms.exec(text('docs/lab.md')) ?? [];
    // Those two are of this machine.
    const lines = (output: string) => output.split('\n').filter((line) => !/^. (Node|ports) /.test(line));
    expect(lines(printed)).toEqual(lines(stdout));
  });

  test('without anything it names what comes first', async () => {
    const { findings, exitCode } = await examine({});
    expect(exitCode).toBe(1);
    expect(findings.Node?.state).toBe('fine');
    expect(findings.Docker).toMatchObject({ state: 'obstacle', next: 'start Docker Desktop, or the engine' });
    expect(findings.cluster).toMatchObject({ state: 'obstacle', seen: 'kubectl was not found' });
  });

  test('a cluster that does not answer is said so, with its context', async () => {
    const refused = { exit: 1, stderr: 'The connection to the server 127.0.0.1:6443 was refused' };
    const { findings, exitCode } = await inCluster({}, { '*--raw=/version*': refused });
    expect(exitCode).toBe(1);
    expect(findings.cluster?.seen).toBe(
      'The cluster of the context docker-desktop does not answer: The connection to the server 127.0.0.1:6443 was refused',
    );
  });

  test('an empty cluster has nothing in its way: the turn of Istio and Bookinfo has not come', async () => {
    const { findings, exitCode } = await inCluster({ pods: [], nodes: [node({ images: [] })], labels: {} });
    expect(exitCode).toBe(0);
    expect(findings.images).toMatchObject({ state: 'later', next: 'npx pnpm@12 lab images' });
    expect(findings.Istio).toMatchObject({ state: 'later', next: 'istioctl install -f istio/mesh-config.yaml -y' });
    expect(findings.Bookinfo).toMatchObject({ state: 'later', next: 'kubectl apply -f k8s/bookinfo.yaml' });
  });

  test.for<[string, ClusterOptions, Record<string, Partial<Finding>>]>([
    [
      'Kubernetes is too old for Istio',
      { version: 'v1.29.2' },
      { Kubernetes: { seen: 'v1.29.2, older than 1.32, which Istio 1.31 asks for' } },
    ],
    [
      'the node has not enough memory left',
      { pods: [], nodes: [node({ memory: '900Mi' })] },
      { capacity: { seen: expect.stringContaining('istio and bookinfo ask for 1188 MiB') } },
    ],
    [
      'an image is not on the node',
      { nodes: [node({ images: ['docker.io/bookinfo-ts/details:1.0.0'] })] },
      { images: { seen: expect.stringMatching(/^not on the node: .*bookinfo-ts\/reviews:1\.0\.0/) } },
    ],
    [
      'a pod waits for its image',
      { pods: [ISTIOD, ...WORKLOADS.map((it) => pod(it, it === 'reviews-v2' ? { waiting: 'ImagePullBackOff' } : {}))] },
      {
        Bookinfo: {
          seen: 'reviews-v2-5d8f-x2x: the node does not have the image bookinfo-ts/reviews:1.0.0 (ImagePullBackOff)',
          next: 'npx pnpm@12 lab images, then kubectl rollout restart deployment',
        },
      },
    ],
    [
      'a Deployment has no pod',
      { pods: [ISTIOD, ...WORKLOADS.slice(1).map((it) => pod(it))] },
      { Bookinfo: { seen: 'no pod of details-v1' } },
    ],
    [
      'a pod is older than the label',
      { pods: [ISTIOD, ...WORKLOADS.map((it) => pod(it, { sidecar: it !== 'ratings-v1' }))] },
      {
        sidecars: {
          seen: 'none in ratings-v1-5d8f-x2x, older than the label',
          next: 'kubectl rollout restart deployment -n default',
        },
      },
    ],
    [
      'the namespace does not ask for sidecars',
      { labels: {} },
      { sidecars: { next: expect.stringContaining('kubectl label namespace default istio-injection=enabled, then') } },
    ],
    [
      'Istio is too old for the files of the lab',
      { pods: [pod('istiod', { image: 'istio/pilot:1.20.1', sidecar: false }), ...WORKLOADS.map((it) => pod(it))] },
      { Istio: { seen: expect.stringContaining('does not serve networking.istio.io/v1') } },
    ],
  ])('%s: exit code 1, and the cause', async ([, options, expected]) => {
    const { findings, exitCode } = await inCluster(options);
    expect(exitCode).toBe(1);
    for (const [what, finding] of Object.entries(expected))
      expect(findings[what]).toMatchObject({ state: 'obstacle', ...finding });
  });

  test('a gateway without a route is told from one whose route leads nowhere', async () => {
    status = 404;
    const unrouted = await inCluster();
    expect(unrouted.exitCode).toBe(1);
    expect(unrouted.findings.gateway).toMatchObject({
      seen: `http://${GATEWAY_URL}/productpage answers 404: no rule routes the page`,
      next: 'kubectl apply -f istio/bookinfo-gateway.yaml',
    });
    status = 503;
    const unavailable = await inCluster();
    expect(unavailable.findings.gateway?.next).toBe(`npx pnpm@12 lab explain GET http://${GATEWAY_URL}/productpage`);
    status = 200;
  });

  test('a GATEWAY_URL that points nowhere is named', async () => {
    await using stubs = await StubPrograms.create({ kubectl: cluster(), docker: DOCKER, istioctl: ISTIOCTL });
    const { stdout, exitCode } = await stubs.lab(['doctor'], { GATEWAY_URL: 'http://127.0.0.1:1/' });
    expect(exitCode).toBe(1);
    expect(stdout).toContain('✗ gateway     Nothing answers at http://127.0.0.1:1, where GATEWAY_URL points to');
  });

  test('a gateway that does not answer at once is asked again', async () => {
    ignored = 1;
    const { findings } = await inCluster();
    expect(findings.gateway).toMatchObject({ state: 'fine' });
  });

  test.for<[kind: string, nodes: Parameters<typeof node>[0]]>([
    ['Docker Desktop, kubeadm', { name: 'docker-desktop', providerID: '', runtime: 'docker://28.2.2' }],
    ['kind', { name: 'bookinfo-control-plane', providerID: 'kind://docker/bookinfo/bookinfo-control-plane' }],
    ['minikube', { name: 'minikube', labels: { 'minikube.k8s.io/name': 'minikube' }, runtime: 'docker://28.2.2' }],
    ['k3d', { name: 'k3d-lab-server-0', providerID: 'k3s://k3d-lab-server-0' }],
    ['another kind of cluster', { name: 'ip-10-0-0-7', providerID: 'aws:///i-0' }],
  ])('knows %s by its node', async ([kind, options]) => {
    const { findings } = await inCluster({ nodes: [node(options)] });
    expect(findings.cluster?.seen).toMatch(`${kind}: context docker-desktop, node ${options?.name}`);
  });

  test('says what it is for, and answers what it does not know with the usage', async () => {
    await using stubs = await StubPrograms.create({});
    const help = await stubs.lab(['doctor', '--help']);
    expect([help.exitCode, help.stdout]).toEqual([0, expect.stringContaining('npx pnpm@12 lab doctor --json')]);
    const wrong = await stubs.lab(['docter']);
    expect([wrong.exitCode, wrong.stderr]).toEqual([2, expect.stringContaining('(Did you mean doctor?)')]);
    const option = await stubs.lab(['doctor', '--jsn']);
    expect([option.exitCode, option.stderr]).toEqual([2, expect.stringContaining('(Did you mean --json?)')]);
  });
});
