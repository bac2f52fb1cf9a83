/** What kubectl says of a cluster that is ready for the lab. */
import type { Answers } from '../../support/stub-programs.ts';

const IMAGES = ['productpage', 'details', 'reviews', 'ratings'].map((name) => `docker.io/bookinfo-ts/${name}:1.0.0`);

export interface NodeOptions {
  name?: string;
  labels?: Record<string, string>;
  providerID?: string;
  memory?: string;
  images?: string[];
  runtime?: string;
}

export const node = ({
  name = 'desktop-control-plane',
  labels = {},
  providerID = 'kind://docker/desktop/desktop-control-plane',
  memory = '8Gi',
  images = IMAGES,
  runtime = 'containerd://2.1.3',
}: NodeOptions = {}) => ({
  metadata: { name, labels },
  spec: { providerID },
  status: {
    addresses: [{ type: 'InternalIP', address: '127.0.0.1' }],
    allocatable: { cpu: '4', memory },
    conditions: [{ type: 'Ready', status: 'True' }],
    // One whose tag went to a newer build keeps its place without a name.
    images: [{ names: null }, ...images.map((image) => ({ names: [image] }))],
    nodeInfo: { containerRuntimeVersion: runtime },
  },
});

export interface PodOptions {
  namespace?: string;
  image?: string;
  sidecar?: boolean;
  /** The reason for which its container waits. */
  waiting?: string;
}

/** @param name of its Deployment */
export function pod(name: string, { namespace = 'default', image, sidecar = true, waiting }: PodOptions = {}) {
  const [app = ''] = name.split('-v');
  const container = {
    name: app,
    image: image ?? `bookinfo-ts/${app}:1.0.0`,
    resources: { requests: { cpu: '50m', memory: '128Mi' } },
  };
  const proxy = { name: 'istio-proxy', image: 'istio/proxyv2:1.31.0', restartPolicy: 'Always' };
  const ready = waiting === undefined;
  return {
    metadata: { name: `${name}-5d8f-x2x`, namespace, labels: { app } },
    spec: { containers: [container], initContainers: sidecar ? [proxy] : [] },
    status: {
      phase: ready ? 'Running' : 'Pending',
      conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }],
      containerStatuses: [
        { name: app, image: container.image, ready, state: ready ? {} : { waiting: { reason: waiting } } },
      ],
    },
  };
}

export const ISTIOD = pod('istiod', { namespace: 'istio-system', image: 'istio/pilot:1.31.0', sidecar: false });
export const WORKLOADS = ['details-v1', 'productpage-v1', 'ratings-v1', 'reviews-v1', 'reviews-v2', 'reviews-v3'];

export interface ClusterOptions {
  context?: string;
  server?: string;
  version?: string;
  nodes?: ReturnType<typeof node>[];
  pods?: ReturnType<typeof pod>[];
  labels?: Record<string, string>;
}

/** Answers for kubectl; those of `more` come first, and in place of others. */
export function cluster(
  {
    context = 'docker-desktop',
    server = 'https://127.0.0.1:6443',
    version = 'v1.34.2',
    nodes = [node()],
    pods = [ISTIOD, ...WORKLOADS.map((name) => pod(name))],
    labels = { 'istio-injection': 'enabled' },
  }: ClusterOptions = {},
  more: Answers = {},
): Answers {
  const answers: Answers = {
    'config view*': { 'current-context': context, clusters: [{ cluster: { server } }] },
    '*--raw=/version*': { gitVersion: version },
    '*get nodes*': { items: nodes },
    '*get pods*': { items: pods },
    '*get namespace*': { metadata: { labels } },
    '*get crds*': { items: [] },
    '*get services*': { items: [] },
    '*get gateways.networking.istio.io*': 'gateway.networking.istio.io/bookinfo-gateway',
    '*get virtualservices.networking.istio.io*': 'virtualservice.networking.istio.io/bookinfo',
  };
  return { ...more, ...answers, ...more };
}

export const DOCKER: Answers = {
  'info*': { ServerVersion: '28.2.2', MemTotal: 8e9, NCPU: 4 },
  'buildx version': 'github.com/docker/buildx v0.30.1',
};
export const ISTIOCTL: Answers = { 'version*': { clientVersion: { version: '1.31.0' } } };
