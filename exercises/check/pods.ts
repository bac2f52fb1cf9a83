/** The services of a cluster, asked at its gateway. */
import { Type } from 'typebox';
import { Value } from 'typebox/value';
import { Obstacle } from '../../lab/obstacle.ts';
import type { Span } from '../../local/otlp.ts';
import { type ClusterAccess, eventually, Finding, hold, Unasked } from './exercise.ts';
import { ask, type Services, type Trouble, tracedThrough } from './services.ts';

/** Longer than a pod takes that has been started often: Kubernetes waits before it starts one again. */
const START_MS = 360_000;
/** Longer than what is applied takes to every proxy, and spans to Jaeger. */
const ARRIVAL_MS = 60_000;
/** Of what a check applies for a while. */
const LABEL = 'bookinfo-exercise';

const Pods = Type.Object({
  items: Type.Array(
    Type.Object({
      metadata: Type.Object({ deletionTimestamp: Type.Optional(Type.String()) }),
      status: Type.Object({
        containerStatuses: Type.Optional(
          Type.Array(Type.Object({ name: Type.String(), ready: Type.Boolean(), restartCount: Type.Integer() })),
        ),
      }),
    }),
  ),
});

/** The second signal ends a service at once (docs: README.md, "One service alone"), and this program with it. */
const END = "setInterval(() => process.kill(1, 'SIGTERM'), 20)";

export interface PodsOptions {
  /** What is asked, and calls each other, such as `orders-v1`. */
  workloads: readonly string[];
  /** Begin with new pods, which have stored nothing yet. */
  anew?: boolean;
  signal: AbortSignal;
}

/**
 * The workloads as the student has deployed them. What a check has applied and did not live to take away is gone.
 * @throws {Finding} when one of them is not in the cluster, or does not become ready
 */
export async function openPods(
  cluster: ClusterAccess,
  { workloads, anew = false, signal }: PodsOptions,
): Promise<Services> {
  const { kubectl } = cluster;
  const serviceOf = (workload: string) => workload.replace(/-v\d+$/, '');
  const selectorOf = (workload: string) =>
    `app=${serviceOf(workload)},version=${workload.slice(serviceOf(workload).length + 1)}`;
  const scale = (workload: string, replicas: number) =>
    kubectl('scale', `deployment/${workload}`, `--replicas=${replicas}`);
  const clean = () =>
    kubectl('delete', 'virtualservices.networking.istio.io', `--selector=${LABEL}`, '--ignore-not-found');

  /** Waits until it serves. */
  async function ready(workload: string): Promise<void> {
    await kubectl('rollout', 'status', `deployment/${workload}`, `--timeout=${START_MS / 1000}s`).catch(
      (error: unknown) => {
        if (!(error instanceof Obstacle)) throw error;
        const look = `kubectl describe deployment ${workload}`;
        throw new Finding({ expected: `${workload} is ready in the cluster`, seen: error.problem, look });
      },
    );
  }

  /** How often the container of a workload's pod has been started again, as soon as it is ready. */
  async function restarts(workload: string): Promise<number | undefined> {
    const answer: unknown = JSON.parse(
      await kubectl('get', 'pods', `--selector=${selectorOf(workload)}`, '--output=json'),
    );
    const containers = Value.Parse(Pods, answer)
      .items.filter(({ metadata }) => metadata.deletionTimestamp === undefined)
      .flatMap(({ status }) => status.containerStatuses ?? [])
      .filter(({ name }) => name === serviceOf(workload));
    return containers.length > 0 && containers.every((it) => it.ready)
      ? containers.reduce((sum, { restartCount }) => sum + restartCount, 0)
      : undefined;
  }

  /** Waits until the sidecars of those who call a service know a rule, or know it no longer. */
  async function known(service: string, rule: string, wanted: boolean): Promise<void> {
    const callers = workloads.filter((it) => serviceOf(it) !== service);
    const dump = ['pilot-agent', 'request', 'GET', 'config_dump?resource=dynamic_route_configs'];
    for (const caller of callers)
      await eventually(
        async () => {
          const routes = await kubectl('exec', `deployment/${caller}`, '--container=istio-proxy', '--', ...dump);
          return routes.includes(`/virtual-service/${rule}"`) === wanted || undefined;
        },
        () => ({
          expected: `the sidecar of ${caller} ${wanted ? 'takes' : 'drops'} the VirtualService ${rule}`,
          seen: 'it does not',
          cause: `another VirtualService for ${service} is in its way`,
          look: 'kubectl get virtualservices',
        }),
        ARRIVAL_MS,
      );
  }

  let rules = 0;
  const pods: Services = {
    async ask(service, path, asked = {}) {
      const answer = await ask((await cluster.gateway()) + path, asked, service + path, signal);
      // A proxy has answered because nobody else did.
      const byProxy = answer.status >= 500 && !answer.headers.has('x-pod-name');
      return byProxy ? { ...answer, status: 0 } : answer;
    },
    async disturb(service, trouble, work) {
      const name = `exercise-${service}-${rules++}`;
      await cluster.apply(troubleRule(name, service, trouble));
      try {
        await known(service, name, true);
        return await work();
      } finally {
        await kubectl('delete', 'virtualservices.networking.istio.io', name, '--ignore-not-found');
        await known(service, name, false);
      }
    },
    async without(workload, work) {
      await scale(workload, 0);
      try {
        await untilGone(cluster, selectorOf(workload));
        return await work();
      } finally {
        await scale(workload, 1);
        await ready(workload);
      }
    },
    async crash(workload) {
      const before = await eventually(
        () => restarts(workload),
        () => ({ expected: `${workload} is ready`, seen: 'it is not' }),
        START_MS,
      );
      const container = `--container=${serviceOf(workload)}`;
      await kubectl('exec', `deployment/${workload}`, container, '--', 'node', '--eval', END).catch(
        (error: unknown) => {
          // The command ends with the container.
          if (!(error instanceof Obstacle)) throw error;
        },
      );
      await eventually(
        async () => ((await restarts(workload)) ?? before) > before || undefined,
        () => ({ expected: `${workload} is ready again after it was ended`, seen: 'it is not' }),
        START_MS,
      );
    },
    async trace(traceId, expected, isWhole) {
      let found: Span[] = [];
      const look = async () => {
        found = await cluster.trace(traceId);
        return isWhole(found) ? found : undefined;
      };
      try {
        return await eventually(look, () => ({ expected, seen: tracedThrough(found) }), ARRIVAL_MS);
      } catch (error) {
        throw error instanceof Obstacle ? new Unasked(error.message) : error;
      }
    },
    async [Symbol.asyncDispose]() {
      await clean();
    },
  };

  await clean();
  for (const workload of workloads)
    hold((await kubectl('get', 'deployment', workload, '--ignore-not-found', '--output=name')) !== '', {
      expected: `the Deployment ${workload} in the cluster`,
      seen: 'there is none',
      look: 'kubectl apply -k k8s, and the README of the exercise',
    });
  if (anew) {
    // Not one after the other: a new pod would learn from an old one of another service what is to be forgotten.
    try {
      for (const workload of workloads) await scale(workload, 0);
      for (const workload of workloads) await untilGone(cluster, selectorOf(workload));
    } finally {
      for (const workload of workloads) await scale(workload, 1);
    }
  }
  for (const workload of workloads) await ready(workload);
  return pods;
}

/** Waits until no pod is left that a selector selects. */
export const untilGone = ({ kubectl }: ClusterAccess, selector: string): Promise<true> =>
  eventually(
    async () => (await kubectl('get', 'pods', `--selector=${selector}`, '--output=name')) === '' || undefined,
    () => ({
      expected: 'no pod, after it was scaled to 0 or deleted',
      seen: 'there is one',
      look: `kubectl get pods -l ${selector}`,
    }),
    ARRIVAL_MS,
  );

/** The fault as a rule of the mesh, for all who call the service. */
function troubleRule(name: string, service: string, { status, delayMs, methods, share = 1 }: Trouble) {
  const route = [{ destination: { host: service } }];
  const percentage = { value: share * 100 };
  const fault = {
    ...(status !== undefined && { abort: { httpStatus: status, percentage } }),
    ...(delayMs !== undefined && { delay: { fixedDelay: `${delayMs}ms`, percentage } }),
  };
  const match = methods?.map((exact) => ({ method: { exact } }));
  return {
    apiVersion: 'networking.istio.io/v1',
    kind: 'VirtualService',
    metadata: { name, labels: { [LABEL]: service } },
    spec: { hosts: [service], http: [{ ...(match && { match }), fault, route }, ...(match ? [{ route }] : [])] },
  };
}
