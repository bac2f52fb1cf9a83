/** The exercises of week 4 on the cluster that kubectl points to: what their checks say there of solutions and mistakes. */
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connectCluster } from '../exercises/check/cluster.ts';
import type { ClusterAccess } from '../exercises/check/exercise.ts';
import { exerciseNames, type Layer, layersOf, layOver, loadExercise } from '../exercises/check/layers.ts';
import { check, type Report } from '../exercises/check/report.ts';
import { copyRepository } from './exercises/copy.ts';

/** Where the labs begin. */
const START = ['istio/bookinfo-gateway.yaml', 'istio/destination-rule-all.yaml'];
const { IMAGES = 'npx --yes pnpm@12 lab images --build' } = process.env;

let cluster: ClusterAccess;
beforeAll(async () => {
  cluster = await connectCluster(process.env.CONTEXT);
});

const exercises = await Promise.all(
  exerciseNames().map(async (name) => ({ name, exercise: await loadExercise(name) })),
);

describe.each(exercises.filter(({ exercise }) => exercise.refused.inCluster))('$name', ({ name, exercise }) => {
  const { start, ...wrong } = exercise.refused.inCluster ?? {};
  /** What the exercise, and what goes before it, brings into k8s/kustomize/app. */
  const brought = new Set<string>();
  /** The files that they bring and that are applied as they are: rules of the mesh, and what a challenge is about. */
  const manifests = new Set<string>();
  /** The services whose images in the cluster are not those of this repository. */
  const changed = new Set<string>();
  let copy: string;
  const git = async (...args: string[]) => (await execa('git', args, { cwd: copy })).stdout;
  const kubectl = (...args: string[]) => cluster.kubectl(...args);

  beforeAll(async () => {
    copy = await copyRepository();
    await git('tag', 'base');
    for (const file of START) await kubectl('apply', `--filename=${join(copy, file)}`);
  });
  afterAll(async () => {
    for (const service of brought) {
      await kubectl('delete', `--kustomize=${join(copy, 'k8s/kustomize/app', service)}`, '--ignore-not-found');
      changed.delete(service);
    }
    for (const file of manifests) await kubectl('delete', `--filename=${join(copy, file)}`, '--ignore-not-found');
    if (changed.size > 0) await deploy([]);
    for (const file of START) await kubectl('apply', `--filename=${join(copy, file)}`);
    // What was rated goes with the pod.
    await kubectl('rollout', 'restart', 'deployment/ratings-v1');
    rmSync(copy, { recursive: true, force: true });
  });

  /** Does with these files what the README tells a student to do. */
  async function deploy(layers: Layer[]): Promise<void> {
    const tree = await layOver(copy, 'base', layers);
    await git('read-tree', '--reset', '-u', tree);
    await execa('npx', ['--yes', 'pnpm@12', 'install', '--offline', '--no-frozen-lockfile'], { cwd: copy });
    for (const file of (await git('diff', '--name-only', 'base', tree)).split('\n')) {
      const [, service] = /^services\/(\w+)\//.exec(file) ?? [];
      if (service) changed.add(service);
    }
    if (changed.size > 0) await execa(IMAGES, { cwd: copy, shell: true, env: { SERVICES: [...changed].join(' ') } });
    for (const file of (await git('diff', '--name-only', '--diff-filter=A', 'base', tree)).split('\n')) {
      const [, service] = /^k8s\/kustomize\/app\/(\w+)\//.exec(file) ?? [];
      if (service) brought.add(service);
      if (/^(istio|challenge)\//.test(file)) manifests.add(file);
    }
    // A challenge says itself what runs.
    if (changed.size > 0 && exercise.faults === undefined) await kubectl('apply', `--kustomize=${join(copy, 'k8s')}`);
    for (const file of manifests)
      if (existsSync(join(copy, file))) await kubectl('apply', `--filename=${join(copy, file)}`);
    if (changed.size === 0) return;
    const selector = `--selector=app in (${[...changed].join(', ')})`;
    await kubectl('rollout', 'restart', 'deployments', selector);
    await kubectl('rollout', 'status', 'deployments', selector, '--timeout=300s');
  }

  const asked = (): Promise<Report> => check(name, exercise, copy, { signal: AbortSignal.timeout(540_000), cluster });
  const refused = async (layers: Layer[], sentences: string[]) => {
    await deploy(layers);
    const { passed, questions } = await asked();
    expect(passed).toBe(false);
    const said = JSON.stringify(questions);
    for (const sentence of sentences) expect(said).toContain(sentence);
  };

  test.runIf(start)('refuses its start', async () => refused(await layersOf(name, 'start'), [start ?? '']));

  test('accepts its solution, and again after that', async () => {
    await deploy(await layersOf(name, 'solution'));
    for (const _ of ['first', 'again']) expect((await asked()).questions.filter(({ finding }) => finding)).toEqual([]);
  });

  // A challenge asks all of its questions, and so tells several faults at once.
  const atOnce = exercise.goOn ? 5 : 1;
  const variants = Object.keys(wrong);
  const groups = variants.flatMap((_, i) => (i % atOnce === 0 ? [variants.slice(i, i + atOnce)] : []));
  test.each(groups.map((group) => [group.join(', '), group] as const))('refuses %s', async (_, group) =>
    refused(
      await layersOf(name, { wrong: group }),
      group.map((it) => wrong[it] ?? ''),
    ),
  );
});
