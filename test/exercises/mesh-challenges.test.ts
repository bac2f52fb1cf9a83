/** Challenges in manifests: every fault is seen where it should be, alone and beside others, and only its repair is accepted. */
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { type ClusterAccess, Finding } from '../../exercises/check/exercise.ts';
import { bothSeen, choose, type Fault, type Files, fieldOf, spoil } from '../../exercises/check/faults.ts';
import { FOLDER, goodFiles } from '../../exercises/check/layers.ts';
import { manifestsOf, readFiles } from '../../exercises/check/mesh.ts';
import { openShop } from '../../exercises/check/shop.ts';
import mesh from '../../exercises/debug-2-mesh/exercise.ts';
import security from '../../exercises/debug-3-security/exercise.ts';

describe.each([
  ['debug-2-mesh', mesh],
  ['debug-3-security', security],
] as const)('%s', (name, exercise) => {
  const { pool } = exercise;
  const good = goodFiles(name);
  const beside = manifestsOf(readFiles(join(FOLDER, '..'), exercise.beside));

  /** What each question that fails is told; of all of them, or of those that faults are for. */
  async function findings(files: Files, faults?: readonly Fault[]): Promise<Finding['finding'][]> {
    const context = exercise.contextOf(beside, files);
    const asked = faults ? faults.map((it) => exercise.byId[it.question]) : exercise.questions;
    const outcomes = await Promise.allSettled(asked.map((it) => it?.ask(context)));
    return outcomes.flatMap((it) => {
      if (it.status === 'fulfilled') return [];
      if (!(it.reason instanceof Finding)) throw it.reason;
      return it.reason.finding;
    });
  }
  const spoilt = (faults: readonly Fault[]): Files => faults.reduce(spoil, good);
  const told = (fault: Fault) => ({ look: fault.hop, cause: fieldOf(fault) });

  test('accepts the good files', async () => {
    expect(await findings(good)).toEqual([]);
  });

  test.each(pool.map((fault) => [fault.name, fault] as const))(
    'tells it at the first question: %s',
    async (_, fault) => {
      expect((await findings(spoilt([fault])))[0]).toMatchObject(told(fault));
    },
  );

  test('tells both of two that may be beside each other', async () => {
    for (const [i, one] of pool.entries())
      for (const other of pool.slice(i).filter((it) => bothSeen(one, it))) {
        const two = [one, other];
        expect(await findings(spoilt(two), two), two.map((it) => it.name).join(' beside ')).toMatchObject(
          two.map(told),
        );
      }
  });

  test('has at least ten faults, and shows them in no comment', () => {
    expect(pool.length).toBeGreaterThanOrEqual(10);
    for (const fault of pool)
      expect(
        Object.values(spoilt([fault]))
          .join()
          .toLowerCase(),
      ).not.toContain(fault.name);
  });

  test('chooses four by a seed, others for the neighbour, tells all of them, and the next one after a repair', async () => {
    const names = (seed: number) => choose(pool, 4, String(seed)).map((it) => it.name);
    for (let seed = 0; seed < 200; seed++) {
      expect(new Set(names(seed))).toHaveLength(4);
      expect(names(seed + 1).toSorted()).not.toEqual(names(seed).toSorted());
    }
    expect(names(7)).toEqual(names(7));
    for (let seed = 0; seed < 20; seed++)
      for (const left = choose(pool, 4, String(seed)); left.length > 0; left.shift())
        expect(await findings(spoilt(left), left), `seed ${seed}`).toMatchObject(left.map(told));
  });

  test('says in one line what a learner breaks beside', async () => {
    const [path = '', text = ''] = Object.entries(good)[0] ?? [];
    const refusal = (from: string, to: string) => {
      try {
        return exercise.contextOf(beside, { ...good, [path]: text.replace(from, to) });
      } catch (error) {
        return error;
      }
    };
    expect(refusal('kind:', 'kind')).toMatchObject({ finding: { expected: `${path} is YAML` } });
    expect(refusal('spec:', 'spec:\n  colour: red')).toMatchObject({
      finding: {
        seen: expect.stringMatching(/^[A-Z]\w+ \w+\/\S+: spec\.colour is not a field that this model knows$/),
      },
    });
  });
});

test('a real page answers what visitors ask of it in debug-2-mesh', async () => {
  const root = join(FOLDER, '..');
  await using shop = await openShop(root, AbortSignal.timeout(60_000), async ({ start }) => {
    await Promise.all(['productpage-v1', 'details-v1', 'reviews-v1'].map((it) => start(it)));
  });
  const notAsked = () => Promise.reject(new Error('nobody asks this'));
  const cluster: ClusterAccess = {
    gateway: async () => `http://127.0.0.1:${shop.link('client', 'productpage').port}`,
    kubectl: notAsked,
    apply: notAsked,
    trace: notAsked,
  };
  const context = mesh.contextOf([], goodFiles('debug-2-mesh'), cluster);
  for (const id of ['page', 'signIn', 'details', 'reviews']) await mesh.byId[id]?.ask(context);
});
