/** The cluster without its mesh: who made it, how old and how full it is, and whether it has the images. */
import { inRegistry } from '../delivery.ts';
import type { Cluster } from '../kubectl.ts';
import { hasImage, type Maker, type Node } from '../nodes.ts';
import type { Pod } from '../pods.ts';
import { type Finding, minorOf } from './finding.ts';

export function nodes(cluster: Cluster, maker: Maker, nodes: readonly Node[]): Finding {
  const names = nodes.map(({ metadata }) => metadata.name);
  const seen = `${maker.kind}: context ${cluster.context}, ${names.length === 1 ? 'node' : 'nodes'} ${names.join(', ')}`;
  const down = nodes.find(({ status }) => !status.conditions.some((it) => it.type === 'Ready' && it.status === 'True'));
  if (!down) return { what: 'cluster', state: 'fine', seen };
  const next = `kubectl describe node ${down.metadata.name}`;
  return { what: 'cluster', state: 'obstacle', seen: `${seen}; ${down.metadata.name} is not ready`, next };
}

/** The oldest Kubernetes that Istio 1.31 accepts, and the newest that it was made with. */
const [OLDEST, NEWEST] = [32, 36];

export function kubernetes({ version }: Cluster): Finding {
  const what = 'Kubernetes';
  const [, minor = 0] = minorOf(version) ?? [];
  if (minor < OLDEST)
    return {
      what,
      state: 'obstacle',
      seen: `${version}, older than 1.${OLDEST}, which Istio 1.31 asks for`,
      next: 'delete the cluster and create it again: docs/lab.md, "The cluster"',
    };
  if (minor > NEWEST)
    return { what, state: 'note', seen: `${version}, newer than 1.${NEWEST}, which Istio 1.31 knows`, next: 'go on' };
  return { what, state: 'fine', seen: version };
}

const MIB = 2 ** 20;
const UNITS: Record<string, number> = {
  '': 1,
  m: 1e-3,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  Ki: 2 ** 10,
  Mi: MIB,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
};

/** A quantity of Kubernetes as a number: `250m` is 0.25, `64Mi` so many bytes. */
export function quantity(text = '0'): number {
  const [, number, unit = ''] = /^([\d.]+)([a-zA-Z]*)$/.exec(text) ?? [];
  return Number(number) * (UNITS[unit] ?? Number.NaN);
}

/** What a pod makes the scheduler set aside: its containers and sidecars together, or an init container that asks for more. */
function requested({ spec }: Pod, resource: 'cpu' | 'memory'): number {
  const init = spec.initContainers ?? [];
  const of = ({ resources }: (typeof init)[number]) => quantity(resources?.requests?.[resource]);
  const staying = [...spec.containers, ...init.filter(({ restartPolicy }) => restartPolicy === 'Always')];
  return Math.max(
    staying.reduce((sum, it) => sum + of(it), 0),
    ...init.map(of),
  );
}

/** What Bookinfo and its sidecars request, and what Istio does, in MiB: k8s/README.md has the table. */
const NEEDS = { bookinfo: 1008, istio: 180 };

/** @param missing what is still to be deployed */
export function capacity(
  nodes: readonly Node[],
  pods: readonly Pod[],
  missing: readonly (keyof typeof NEEDS)[],
): Finding {
  const what = 'capacity';
  const running = pods.filter(({ status }) => status.phase !== 'Succeeded' && status.phase !== 'Failed');
  const total = (resource: 'cpu' | 'memory') =>
    nodes.reduce((sum, { status }) => sum + quantity(status.allocatable[resource]), 0);
  const free = (resource: 'cpu' | 'memory') =>
    total(resource) - running.reduce((sum, pod) => sum + requested(pod, resource), 0);
  const memory = free('memory') / MIB;
  const seen = `${memory.toFixed(0)} of ${(total('memory') / MIB).toFixed(0)} MiB and ${free('cpu').toFixed(1)} of ${total('cpu').toFixed(1)} CPUs are not asked for yet`;
  const needed = missing.reduce((sum, it) => sum + NEEDS[it], 0);
  if (memory >= needed) return { what, state: 'fine', seen };
  return {
    what,
    state: 'obstacle',
    seen: `${seen}; ${missing.join(' and ')} ask for ${needed} MiB`,
    next: 'more memory for Docker (docs/lab.md, "What you need"), or kubectl delete -f istio/addons',
  };
}

/** @param wanted the images of k8s/bookinfo.yaml; `deployed`: whether pods wait for them already */
export function images(nodes: readonly Node[], wanted: readonly string[], deployed: boolean): Finding {
  const what = 'images';
  const missing = wanted.filter((image) => !nodes.every((node) => hasImage(node, image)));
  if (missing.length === 0) return { what, state: 'fine', seen: `all ${wanted.length} are on the node` };
  // A node can fetch those of a registry by itself.
  if (missing.every(inRegistry))
    return { what, state: 'note', seen: `${missing.join(', ')}: to be fetched from the registry`, next: 'go on' };
  return {
    what,
    state: deployed ? 'obstacle' : 'later',
    seen: `not on the node: ${missing.join(', ')}`,
    next: 'npx pnpm@12 lab images',
  };
}
