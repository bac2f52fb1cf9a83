/** A cluster that is a list of objects, and a gateway that shows what it is told to: for the commands of lab. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Cluster } from '../../../lab/kubectl.ts';
import { Obstacle } from '../../../lab/obstacle.ts';
import { type Manifest, parse, ROOT } from '../../manifests/load.ts';
import { type Answers, answerOf } from './kubectl-stub.ts';

const manifests = (file: string): Manifest[] => parse(file).map(({ doc }) => doc);

export interface FakeCluster extends AsyncDisposable {
  cluster: Cluster;
  /** URL of its gateway. */
  gateway: string;
  /** For a command of lab: PATH with the stub of kubectl, where the gateway is, where state is kept. */
  env: Record<string, string>;
  /** Pages that the gateway was asked for. */
  requests: { path: string; cookie: string }[];
  /** What `cluster` called kubectl with. */
  commands: (readonly string[])[];
  /** Where lab keeps what was passed. */
  passedFile: string;
}

class StubbedCluster extends Cluster {
  readonly commands: (readonly string[])[] = [];
  readonly answers: Answers;

  constructor(answers: Answers) {
    super('stub', 'https://127.0.0.1:6443', 'v1.34.0');
    this.answers = answers;
  }

  override async kubectl(args: readonly string[]): Promise<string> {
    this.commands.push(args);
    try {
      return answerOf(this.answers, args);
    } catch (error) {
      throw new Obstacle((error as Error).message, 'the test');
    }
  }
}

const READY = [{ type: 'Ready', status: 'True' }];

/** Pods as the workloads of a file would have them: one each, ready, with a sidecar. */
export const podsOf = (workloads: Manifest[], namespace = 'default'): Manifest[] =>
  workloads
    .filter(({ kind }) => kind === 'Deployment' || kind === 'StatefulSet')
    .map(({ metadata, spec }) => {
      const { template } = spec as {
        template: { metadata: object; spec: { containers: { name: string; image: string }[] } };
      };
      const containers = [...template.spec.containers, { name: 'istio-proxy', image: 'istio/proxyv2:1.31.0' }];
      return {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: {
          ...template.metadata,
          name: `${metadata.name}-77654c4655-xfzdb`,
          namespace,
          ownerReferences: [{ kind: 'ReplicaSet', name: metadata.name }],
        },
        spec: { ...template.spec, containers },
        status: {
          phase: 'Running',
          conditions: READY,
          containerStatuses: containers.map(({ name, image }) => ({ name, image, ready: true, state: {} })),
        },
      } as Manifest;
    });

const istio = (name: string, labels: Record<string, string>): Manifest =>
  ({
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, namespace: 'istio-system', labels },
    spec: {
      template: {
        metadata: { labels },
        spec: { containers: [{ name: 'istio-proxy', image: 'istio/proxyv2:1.31.0' }] },
      },
    },
    status: {},
  }) as Manifest;
const CONTROL = [
  istio('istiod', { app: 'istiod' }),
  istio('istio-ingressgateway', { app: 'istio-ingressgateway', istio: 'ingressgateway' }),
  istio('istio-egressgateway', { app: 'istio-egressgateway', istio: 'egressgateway' }),
];
const GATEWAY = {
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'istio-ingressgateway', namespace: 'istio-system' },
  spec: { selector: { istio: 'ingressgateway' }, ports: [{ port: 80, targetPort: 8080, name: 'http2' }] },
} as Manifest;
const namespace = (name: string, labels: Record<string, string> = {}): Manifest =>
  ({ apiVersion: 'v1', kind: 'Namespace', metadata: { name, uid: `uid-of-${name}`, labels } }) as Manifest;

/** Those of Istio's own: a proxy and nothing else. */
export const gatewayPods = (): Manifest[] =>
  podsOf(CONTROL, 'istio-system').map((pod) => ({
    ...pod,
    spec: { containers: [{ name: 'istio-proxy', image: 'istio/proxyv2:1.31.0' }] },
  }));

/** Istio and Bookinfo run, with what these files of the repository say. */
export function cluster(...files: string[]): Manifest[] {
  const shop = manifests('k8s/bookinfo.yaml');
  return [
    namespace('kube-system'),
    namespace('istio-system'),
    namespace('default', { 'istio-injection': 'enabled' }),
    ...CONTROL,
    GATEWAY,
    ...gatewayPods(),
    ...shop.map((it) => ({ status: {}, ...it })),
    ...podsOf(shop),
    ...files.flatMap((file) => manifests(file)),
  ];
}

/** What the gateway shows on its nth page to somebody: a version of reviews with its stars, none, or a status. */
export type Show = (n: number, user: string | undefined) => { version: Version | undefined } | { status: number };
type Version = 'v1' | 'v2' | 'v3';

const COLOURS = { v1: undefined, v2: 'black', v3: 'red' };

export async function fakeCluster({ objects, answers }: Answers, show: Show): Promise<FakeCluster> {
  const folder = mkdtempSync(join(tmpdir(), 'fake-cluster-'));
  const requests: FakeCluster['requests'] = [];
  const counts = new Map<string, number>();
  const server = createServer((request, response) => {
    const { url: path = '', headers, method } = request;
    requests.push({ path, cookie: headers.cookie ?? '' });
    response.setHeader('server', 'istio-envoy');
    if (method === 'POST') return void response.writeHead(302, { 'set-cookie': 'session=jason; Path=/' }).end();
    const user = headers.cookie?.replace('session=', '');
    const n = counts.get(user ?? '') ?? 0;
    counts.set(user ?? '', n + 1);
    const shown = show(n, user);
    if ('status' in shown) return void response.writeHead(shown.status).end();
    const { version } = shown;
    if (!version) return void response.end('<title>Simple Bookstore App</title>Error fetching product reviews');
    const colour = COLOURS[version];
    const stars = colour ? `<span class="stars" data-color="${colour}"><span class="glyphicon glyphicon-star">` : '';
    response.end(`<title>Simple Bookstore App</title>${stars}Reviews served by: <strong>reviews-${version}-1</strong>`);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const file = join(folder, 'answers.json');
  writeFileSync(file, JSON.stringify({ objects, answers } satisfies Answers));
  mkdirSync(join(folder, 'bin'));
  const stub = join(ROOT, 'test/e2e/lab/kubectl-stub.ts');
  writeFileSync(join(folder, 'bin/kubectl'), `#!/bin/sh\nexec "${process.execPath}" "${stub}" "$@"\n`, { mode: 0o755 });
  const gateway = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const fake = new StubbedCluster({ objects, answers });
  return {
    cluster: fake,
    gateway,
    env: {
      PATH: `${join(folder, 'bin')}:${process.env.PATH}`,
      KUBECTL_STUB: file,
      GATEWAY_URL: gateway,
      // No git knows this folder, so the state is kept below it.
      GIT_DIR: join(folder, 'none'),
      XDG_STATE_HOME: folder,
    },
    requests,
    commands: fake.commands,
    passedFile: join(folder, 'bookinfo/lab.json'),
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
      rmSync(folder, { recursive: true });
    },
  };
}
