/** Two pods in a cluster that take the place of ratings, tell of every call, and fail as they are told. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Type } from 'typebox';
import { Value } from 'typebox/value';
import { type ClusterAccess, eventually } from '../check/exercise.ts';
import { askFromPod, type PodWish } from '../check/mesh.ts';
import { untilGone } from '../check/pods.ts';
import type { Told } from './stand-in.ts';

const LABEL = 'bookinfo-exercise=ratings';
const PODS = ['exercise-ratings-1', 'exercise-ratings-2'];
const PROGRAM = readFileSync(join(import.meta.dirname, 'stand-in.ts'), 'utf8');
/** Who asks ratings. */
const CALLER = 'reviews-v2';
/** Longer than a pod is put aside by rules that are meant for an exercise. */
const RETURN_MS = 90_000;

const Deployment = Type.Object({
  spec: Type.Object({
    template: Type.Object({
      metadata: Type.Object({ labels: Type.Record(Type.String(), Type.String()) }),
      spec: Type.Object({ containers: Type.Array(Type.Object({ name: Type.String() })) }),
    }),
  }),
});
const Calls = Type.Array(Type.Object({ start: Type.Number(), end: Type.Optional(Type.Number()) }));
export type Call = Type.Static<typeof Calls>[number];

export interface StandIns extends AsyncDisposable {
  /**
   * What becomes of calls to the one and the other from now on; those that went before are forgotten. Both are well before, and
   * called by the mesh.
   * @throws {Finding} when the mesh leaves one of them aside
   */
  tell(one: Told, other?: Told): Promise<void>;
  /** Calls ratings from reviews v2, through its sidecar. */
  load(wish: Omit<PodWish, 'url'>): Promise<void>;
  /** Those of both that have come since they were told something. */
  calls(): Promise<Call[]>;
}

export async function openStandIns(cluster: ClusterAccess): Promise<StandIns> {
  const { kubectl } = cluster;
  const remove = () => kubectl('delete', 'pods', `--selector=${LABEL}`, '--ignore-not-found');
  const scale = (replicas: number) => kubectl('scale', 'deployment/ratings-v1', `--replicas=${replicas}`);

  const callsOf = async (pod: string): Promise<Call[]> =>
    Value.Parse(Calls, await inPod(pod, "fetch('http://127.0.0.1:9080/calls')"));
  async function inPod(pod: string, request: string): Promise<unknown> {
    const program = `${request}.then((it) => it.text()).then(console.log)`;
    return JSON.parse(await kubectl('exec', pod, '--container=ratings', '--', 'node', '--eval', program));
  }
  const command = (pod: string, told: Told) =>
    inPod(pod, `fetch('http://127.0.0.1:9080', { method: 'PUT', body: '${JSON.stringify(told)}' })`);

  const standIns: StandIns = {
    async tell(...told) {
      for (const pod of PODS) await command(pod, {});
      await eventually(
        async () => {
          await standIns.load({ times: 4 });
          const called = await Promise.all(PODS.map(callsOf));
          return called.every((it) => it.length > 0) || undefined;
        },
        () => ({
          expected: 'calls to both pods of ratings again, soon after both are well',
          seen: `none to one of them for ${RETURN_MS / 1000} s`,
          cause: 'a pod comes back after baseEjectionTime, times how often it was put aside',
        }),
        RETURN_MS,
      );
      for (const [i, pod] of PODS.entries()) await command(pod, told[i] ?? told[0]);
    },
    async load(wish) {
      await askFromPod(cluster, CALLER, { url: 'http://ratings:9080/ratings/0', ...wish });
    },
    calls: async () => (await Promise.all(PODS.map(callsOf))).flat(),
    async [Symbol.asyncDispose]() {
      await scale(1);
      await kubectl('rollout', 'status', 'deployment/ratings-v1', '--timeout=300s');
      await remove();
    },
  };

  await remove();
  const deployment: unknown = JSON.parse(await kubectl('get', 'deployment', 'ratings-v1', '--output=json'));
  Value.Assert(Deployment, deployment);
  const { metadata, spec } = deployment.spec.template;
  const [key = '', value = ''] = LABEL.split('=');
  // The same pod but for the program: its account, its port, its probes. It ends at once.
  const containers = spec.containers.map((it) => ({
    ...it,
    lifecycle: undefined,
    command: ['node', '--input-type=module-typescript', '--eval', PROGRAM],
  }));
  await cluster.apply(
    ...PODS.map((name) => ({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { ...metadata, name, labels: { ...metadata.labels, [key]: value } },
      spec: { ...spec, containers, terminationGracePeriodSeconds: 1 },
    })),
  );
  try {
    await kubectl('wait', '--for=condition=Ready', 'pods', `--selector=${LABEL}`, '--timeout=300s');
    await scale(0);
    await untilGone(cluster, `app=ratings,${key}!=${value}`);
  } catch (error) {
    await standIns[Symbol.asyncDispose]();
    throw error;
  }
  return standIns;
}

/** The most calls that were under way at once. */
export function peakOf(calls: readonly Call[]): number {
  const turns = calls
    .flatMap(({ start, end = Number.POSITIVE_INFINITY }) => [
      { at: start, by: 1 },
      { at: end, by: -1 },
    ])
    .toSorted((a, b) => a.at - b.at || a.by - b.by);
  let underWay = 0;
  return Math.max(0, ...turns.map(({ by }) => (underWay += by)));
}
