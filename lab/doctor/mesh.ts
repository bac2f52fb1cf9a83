/** Istio, Bookinfo with its sidecars, and the way in. */
import { Type } from 'typebox';
import { findGateway } from '../gateway.ts';
import { type Cluster, listOf } from '../kubectl.ts';
import { Obstacle } from '../obstacle.ts';
import { hasSidecar, type Pod, troubleOf } from '../pods.ts';
import { type Finding, minorOf } from './finding.ts';

const INSTALL = 'istioctl install -f istio/mesh-config.yaml -y';
const DOWNLOAD = 'docs/lab.md, "Install Istio"';

/** @param istiod its pods */
export function istio(istiod: readonly Pod[], istioctl: string | undefined): Finding {
  const what = 'Istio';
  const client = istioctl ? `istioctl ${istioctl}` : 'no istioctl';
  if (istiod.length === 0)
    return { what, state: 'later', seen: `${client}, not installed`, next: istioctl ? INSTALL : DOWNLOAD };
  const version = istiod[0]?.spec.containers[0]?.image.split(':').at(-1) ?? '';
  const seen = `istiod ${version}, ${client}`;
  const [trouble] = istiod.flatMap((pod) => troubleOf(pod) ?? []);
  if (trouble) return { what, state: 'obstacle', seen: `${seen}; ${trouble.cause}`, next: trouble.look };
  const [server, tool] = [minorOf(version), minorOf(istioctl ?? '')];
  if (server && server[1] < 22)
    return { what, state: 'obstacle', seen: `${seen}: does not serve networking.istio.io/v1`, next: DOWNLOAD };
  if (!istioctl)
    return { what, state: 'note', seen, next: 'export PATH="$PWD/istio-1.31.0/bin:$PATH", in every terminal' };
  if (server && tool && Math.abs(server[1] - tool[1]) > 1)
    return { what, state: 'note', seen: `${seen}: too far apart`, next: DOWNLOAD };
  return { what, state: 'fine', seen };
}

const APPLY = 'kubectl apply -f k8s/bookinfo.yaml';

/** @param deployments the names of k8s/bookinfo.yaml; `pods`: those of Bookinfo */
export function bookinfo(deployments: readonly string[], pods: readonly Pod[]): Finding {
  const what = 'Bookinfo';
  const missing = deployments.filter((name) => !pods.some(({ metadata }) => metadata.name.startsWith(`${name}-`)));
  if (missing.length === deployments.length) return { what, state: 'later', seen: 'not deployed', next: APPLY };
  if (missing.length > 0)
    return {
      what,
      state: 'obstacle',
      seen: `no pod of ${missing.join(', ')}`,
      next: `${APPLY}, then kubectl describe replicaset`,
    };
  const [trouble, ...others] = pods.flatMap((pod) => {
    const found = troubleOf(pod);
    return found ? { name: pod.metadata.name, ...found } : [];
  });
  if (!trouble) return { what, state: 'fine', seen: `${pods.length} pods are ready` };
  const more = others.length > 0 ? ` (and ${others.length} more)` : '';
  return { what, state: 'obstacle', seen: `${trouble.name}: ${trouble.cause}${more}`, next: trouble.look };
}

const Namespace = Type.Object({
  metadata: Type.Object({ labels: Type.Optional(Type.Record(Type.String(), Type.String())) }),
});

export async function sidecars(cluster: Cluster, namespace: string, pods: readonly Pod[]): Promise<Finding> {
  const what = 'sidecars';
  const { labels = {} } = (await cluster.get(Namespace, 'namespace', namespace)).metadata;
  if (labels['istio.io/dataplane-mode'] === 'ambient') return { what, state: 'fine', seen: 'none: ambient mode' };
  const without = pods.filter((pod) => !hasSidecar(pod)).map(({ metadata }) => metadata.name);
  const restart = `kubectl rollout restart deployment -n ${namespace}`;
  if (labels['istio-injection'] !== 'enabled' && labels['istio.io/rev'] === undefined) {
    const label = `kubectl label namespace ${namespace} istio-injection=enabled`;
    return {
      what,
      state: pods.length > 0 ? 'obstacle' : 'later',
      seen: `the namespace ${namespace} does not ask for them`,
      next: pods.length > 0 ? `${label}, then ${restart}` : label,
    };
  }
  if (without.length > 0)
    return { what, state: 'obstacle', seen: `none in ${without.join(', ')}, older than the label`, next: restart };
  return {
    what,
    state: 'fine',
    seen: pods.length > 0 ? `in all ${pods.length} pods` : `the namespace ${namespace} asks for them`,
  };
}

const Definitions = listOf(
  Type.Object({
    metadata: Type.Object({
      name: Type.String(),
      annotations: Type.Optional(Type.Record(Type.String(), Type.String())),
    }),
  }),
);

export async function gatewayApi(cluster: Cluster): Promise<Finding> {
  const what = 'Gateway API';
  const { items } = await cluster.get(Definitions, 'crds');
  const crd = items.find(({ metadata }) => metadata.name === 'httproutes.gateway.networking.k8s.io');
  if (crd) {
    const version = crd.metadata.annotations?.['gateway.networking.k8s.io/bundle-version'];
    return { what, state: 'fine', seen: `its types are installed${version ? `, ${version}` : ''}` };
  }
  return {
    what,
    state: 'later',
    seen: 'its types are not installed; only the lessons of the Gateway API and ambient mode ask for them',
    next: 'istio/README.md, "Gateway API"',
  };
}

export async function gateway(cluster: Cluster): Promise<Finding> {
  const what = 'gateway';
  const open = 'kubectl apply -f istio/bookinfo-gateway.yaml';
  try {
    const { url, status } = await findGateway(cluster);
    const seen = `${url}/productpage answers ${status}`;
    if (status === 200) return { what, state: 'fine', seen };
    if (status === 404) return { what, state: 'obstacle', seen: `${seen}: no rule routes the page`, next: open };
    return { what, state: 'obstacle', seen, next: `npx pnpm@12 lab explain GET ${url}/productpage` };
  } catch (error) {
    if (!(error instanceof Obstacle)) throw error;
    const opened = await cluster.has('gateways.networking.istio.io,virtualservices.networking.istio.io');
    if (!opened) return { what, state: 'later', seen: 'not open', next: open };
    return { what, state: 'obstacle', seen: error.problem, next: error.next };
  }
}
