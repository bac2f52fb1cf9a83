/** What the nodes of a cluster tell about it: who made it, and how images get there. */
import { type Static, Type } from 'typebox';
import { type Cluster, listOf } from './kubectl.ts';

const Quantity = Type.Object({ cpu: Type.String(), memory: Type.String() });
const Node = Type.Object({
  metadata: Type.Object({ name: Type.String(), labels: Type.Record(Type.String(), Type.String()) }),
  spec: Type.Object({ providerID: Type.Optional(Type.String()) }),
  status: Type.Object({
    allocatable: Quantity,
    conditions: Type.Array(
      Type.Object({ type: Type.String(), status: Type.String(), message: Type.Optional(Type.String()) }),
    ),
    /** At most the 50 largest ones of the node; one whose tag was given to another has no names. */
    images: Type.Optional(
      Type.Array(Type.Object({ names: Type.Optional(Type.Union([Type.Array(Type.String()), Type.Null()])) })),
    ),
    nodeInfo: Type.Object({ containerRuntimeVersion: Type.String() }),
  }),
});
export type Node = Static<typeof Node>;

export const nodesOf = async (cluster: Cluster): Promise<Node[]> => (await cluster.get(listOf(Node), 'nodes')).items;

/** Who made the cluster. `containers`: its nodes are containers of this machine's Docker. */
export type Maker =
  | { kind: 'Docker Desktop, kubeadm' | 'a cluster on the engine itself' }
  | { kind: 'Docker Desktop, kind' | 'kind'; containers: string[] }
  | { kind: 'minikube'; profile: string }
  | { kind: 'k3d'; name: string; containers: string[] }
  | { kind: 'another kind of cluster' };

export function makerOf(nodes: readonly Node[]): Maker {
  const containers = nodes.map(({ metadata }) => metadata.name);
  const [node] = nodes;
  const [name = ''] = containers;
  const profile = node?.metadata.labels['minikube.k8s.io/name'];
  if (profile) return { kind: 'minikube', profile };
  const k3d = /^k3d-(.+)-(server|agent)-\d+$/.exec(name)?.[1];
  if (k3d) return { kind: 'k3d', name: k3d, containers };
  // Docker Desktop calls its kind cluster `desktop`.
  if (name.startsWith('desktop-')) return { kind: 'Docker Desktop, kind', containers };
  if (node?.spec.providerID?.startsWith('kind://docker/')) return { kind: 'kind', containers };
  if (name === 'docker-desktop') return { kind: 'Docker Desktop, kubeadm' };
  if (node?.status.nodeInfo.containerRuntimeVersion.startsWith('docker://') && nodes.length === 1)
    return { kind: 'a cluster on the engine itself' };
  return { kind: 'another kind of cluster' };
}

/** Whether a node says that it has an image: `bookinfo-ts/reviews:1.0.0`. */
export function hasImage(node: Node, image: string): boolean {
  const names = (node.status.images ?? []).flatMap(({ names }) => names ?? []);
  return names.some((name) => name === image || name === `docker.io/${image}`);
}
