/** The challenges in the mesh on the cluster that kubectl points to: what their checks say there of each fault. */
import { join } from 'node:path';
import type { Manifest } from '@bookinfo/mesh';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { connectCluster } from '../exercises/check/cluster.ts';
import type { ClusterAccess } from '../exercises/check/exercise.ts';
import { type Files, fieldOf, spoil } from '../exercises/check/faults.ts';
import { FOLDER, goodFiles } from '../exercises/check/layers.ts';
import { manifestsOf } from '../exercises/check/mesh.ts';
import mesh from '../exercises/debug-2-mesh/exercise.ts';
import security from '../exercises/debug-3-security/exercise.ts';

/** Where the labs begin. */
const START = ['k8s/bookinfo.yaml', 'istio/bookinfo-gateway.yaml', 'istio/destination-rule-all.yaml'];
const files = (paths: readonly string[]) => paths.map((path) => `--filename=${join(FOLDER, '..', path)}`);

describe.each([
  ['debug-2-mesh', mesh],
  ['debug-3-security', security],
] as const)('%s', (name, exercise) => {
  const { pool, beside, questions, byId, contextOf } = exercise;
  const good = goodFiles(name);
  let cluster: ClusterAccess;

  async function remove(manifests: Manifest[]): Promise<void> {
    for (const { apiVersion, kind, metadata = {} } of manifests) {
      const [version, group] = apiVersion.split('/').toReversed();
      const type = group === undefined ? kind : `${kind}.${version}.${group}`;
      const { name: called = '', namespace = 'default' } = metadata;
      await cluster.kubectl('delete', type, called, `--namespace=${namespace}`, '--ignore-not-found');
    }
  }

  /** All anew, as the README says: of two rules for one host, the older one counts. */
  async function lay(own: Files): Promise<void> {
    const rules = 'virtualservices.networking.istio.io,destinationrules.networking.istio.io';
    await cluster.kubectl('delete', rules, '--all');
    await cluster.kubectl('apply', ...files(beside));
    await cluster.apply(...manifestsOf(own).toSorted((it) => (it.kind === 'Namespace' ? -1 : 0)));
  }

  beforeAll(async () => {
    cluster = await connectCluster(process.env.CONTEXT);
    await lay(good);
    const wait = ['wait', 'deployments', '--all', '--all-namespaces', '--for=condition=Available', '--timeout=300s'];
    await cluster.kubectl(...wait);
  });
  afterAll(async () => {
    await remove(manifestsOf(good));
    const others = beside.filter((it) => !START.includes(it));
    if (others.length > 0) await cluster.kubectl('delete', ...files(others));
    await cluster.kubectl('apply', ...files(START));
  });

  test('accepts the good files', async () => {
    await using context = contextOf([], good, cluster);
    for (const question of questions) await question.ask(context);
  });

  test.each(pool.map((fault) => [fault.name, fault] as const))('tells where it is: %s', async (_, fault) => {
    const bad = spoil(good, fault);
    const [was, is] = [good, bad].map((all) =>
      manifestsOf(all).filter(({ kind, metadata }) => `${kind} ${metadata?.name}` === fault.resource),
    ) as [Manifest[], Manifest[]];
    await remove(was);
    await lay(bad);
    try {
      // It may pass as long as the proxies have the good rules.
      const told = { look: fault.hop, cause: fieldOf(fault) };
      const asked = async () => byId[fault.question]?.ask(contextOf([], bad, cluster));
      await vi.waitFor(() => expect(asked()).rejects.toMatchObject({ finding: told }), 120_000);
    } finally {
      await remove(is);
    }
  });
});
