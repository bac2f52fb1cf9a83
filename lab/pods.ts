/** Why a pod is not what the lab needs it to be: the table of docs/lab.md, as a program. */
import { type Static, Type } from 'typebox';
import { type Cluster, listOf } from './kubectl.ts';

const { Array: List, Boolean: Bool, Object: Fields, Optional: Opt, Record: Dict, String: Str } = Type;

const Container = Fields({
  name: Str(),
  image: Str(),
  restartPolicy: Opt(Str()),
  resources: Opt(Fields({ requests: Opt(Fields({ cpu: Opt(Str()), memory: Opt(Str()) })) })),
});
const ContainerStatus = Fields({
  name: Str(),
  ready: Bool(),
  image: Str(),
  state: Fields({
    waiting: Opt(Fields({ reason: Opt(Str()), message: Opt(Str()) })),
    terminated: Opt(Fields({ reason: Opt(Str()) })),
  }),
  lastState: Opt(Fields({ terminated: Opt(Fields({ reason: Opt(Str()) })) })),
});
export const Pod = Fields({
  metadata: Fields({ name: Str(), namespace: Str(), labels: Opt(Dict(Str(), Str())), deletionTimestamp: Opt(Str()) }),
  spec: Fields({
    containers: List(Container),
    initContainers: Opt(List(Container)),
  }),
  status: Fields({
    phase: Str(),
    conditions: Opt(List(Fields({ type: Str(), status: Str(), message: Opt(Str()) }))),
    containerStatuses: Opt(List(ContainerStatus)),
    initContainerStatuses: Opt(List(ContainerStatus)),
  }),
});
export type Pod = Static<typeof Pod>;

/** Those of a namespace that are not being deleted. */
export const podsIn = async (cluster: Cluster, namespace: string): Promise<Pod[]> =>
  (await cluster.get(listOf(Pod), 'pods', `--namespace=${namespace}`)).items.filter(
    ({ metadata }) => metadata.deletionTimestamp === undefined,
  );

export const Workload = Fields({
  metadata: Fields({ name: Str() }),
  spec: Fields({
    template: Fields({ metadata: Fields({ annotations: Opt(Dict(Str(), Str())) }) }),
  }),
  status: Fields({ conditions: Opt(List(Fields({ type: Str(), status: Str(), message: Opt(Str()) }))) }),
});
export type Workload = Static<typeof Workload>;

export interface Trouble {
  cause: string;
  /** A command, to look closer or to mend it. */
  look: string;
  /** Waiting does not help. */
  stuck: boolean;
}

/** Where a sidecar is: a container, or of newer Kubernetes an init container that stays. */
export const hasSidecar = ({ spec }: Pod): boolean =>
  [...spec.containers, ...(spec.initContainers ?? [])].some(({ name }) => name === 'istio-proxy');

export const isReady = ({ status }: Pod): boolean =>
  status.conditions?.some((it) => it.type === 'Ready' && it.status === 'True') ?? false;

const IMAGE = new Set(['ErrImagePull', 'ImagePullBackOff', 'ErrImageNeverPull', 'InvalidImageName']);

/** What keeps a pod from being ready; undefined when it is. */
export function troubleOf(pod: Pod): Trouble | undefined {
  const { metadata, status } = pod;
  const describe = `kubectl --namespace=${metadata.namespace} describe pod ${metadata.name}`;
  if (isReady(pod)) return undefined;
  const unscheduled = status.conditions?.find((it) => it.type === 'PodScheduled' && it.status === 'False');
  if (unscheduled) return { cause: `no node takes it: ${unscheduled.message}`, look: describe, stuck: true };
  const containers = [...(status.initContainerStatuses ?? []), ...(status.containerStatuses ?? [])];
  for (const { name, image, state, lastState } of containers) {
    const { reason = '', message = '' } = state.waiting ?? {};
    if (IMAGE.has(reason)) {
      const ours = image.includes('bookinfo-ts/');
      const look = ours ? 'npx pnpm@12 lab images, then kubectl rollout restart deployment' : describe;
      const cause = ours ? `the node does not have the image ${image}` : `the image ${image} cannot be had`;
      return { cause: `${cause} (${reason})`, look, stuck: reason !== 'ErrImagePull' };
    }
    if (reason === 'CreateContainerConfigError') return { cause: `${reason}: ${message}`, look: describe, stuck: true };
    const ended = state.terminated ?? lastState?.terminated;
    if (ended?.reason === 'OOMKilled') return { cause: `${name} is out of memory`, look: describe, stuck: false };
    if (reason === 'CrashLoopBackOff' || ended?.reason === 'Error')
      return {
        cause: `${name} ends again and again`,
        look: `kubectl --namespace=${metadata.namespace} logs ${metadata.name} --container=${name} --previous`,
        stuck: false,
      };
  }
  const waiting = containers.filter(({ ready }) => !ready).map(({ name }) => name);
  if (waiting.includes('istio-proxy'))
    return {
      cause: 'its sidecar is not ready: does it reach istiod?',
      look: 'kubectl --namespace=istio-system get pods',
      stuck: false,
    };
  return { cause: `${waiting.join(', ') || 'it'} is not ready yet`, look: describe, stuck: false };
}
