/**
 * The exercise of this project (vitest.config.ts has one for each), in a copy of the repository: its solution is accepted,
 * its start and every wrong variant refused in the right words.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { hintsOf } from '../../exercises/check/hints.ts';
import {
  FOLDER,
  faultsOf,
  type Layer,
  layersOf,
  layOver,
  loadExercise,
  wrongNames,
} from '../../exercises/check/layers.ts';
import { check, missingProgram } from '../../exercises/check/report.ts';
import { copyRepository } from './copy.ts';

const ROOT = join(FOLDER, '..');
const BIN = join(ROOT, 'node_modules/.bin');
/** What an exercise changes: the rest of the repository was checked where it is. */
const TSCONFIG = {
  extends: './tsconfig.json',
  compilerOptions: { incremental: true, tsBuildInfoFile: 'node_modules/.tsbuildinfo' },
  include: ['services/*/src', 'services/*/workloads.ts', 'packages/*/src', 'local', 'test/services/known.ts'],
};

const name = process.env.EXERCISE ?? '';
const exercise = await loadExercise(name);

describe(name, async () => {
  const missing = await missingProgram(exercise);
  let copy: string;
  const git = async (...args: string[]) => (await execa('git', args, { cwd: copy })).stdout;

  beforeAll(async () => {
    copy = await copyRepository({ 'tsconfig.exercise.json': JSON.stringify(TSCONFIG) });
    await git('tag', 'base');
  });
  afterAll(() => rmSync(copy, { recursive: true, force: true }));

  beforeEach(({ skip }) => skip(missing !== undefined, `${missing} is not on the PATH`));

  /** Makes the copy what a student has with these layers over a tree. */
  async function place(base: string, layers: Layer[]): Promise<string> {
    const tree = await layOver(copy, base, layers);
    await git('read-tree', '--reset', '-u', tree);
    return tree;
  }

  const install = async () => {
    const args = ['--yes', 'pnpm@12', 'install', '--offline', '--no-frozen-lockfile'];
    await execa('npx', args, { cwd: copy });
  };

  /** The same, over our files, with what it needs installed; and holds its code to be sound. */
  async function lay(layers: Layer[]): Promise<void> {
    const tree = await place('base', layers);
    await install();
    const { stdout, exitCode } = await execa(join(BIN, 'tsc'), ['-p', 'tsconfig.exercise.json'], {
      cwd: copy,
      reject: false,
    });
    expect(stdout).toBe('');
    expect(exitCode).toBe(0);
    const paths = (await git('diff', '--name-only', 'base', tree)).split('\n').filter(Boolean);
    if (paths.length > 0)
      await execa(join(BIN, 'biome'), ['check', '--no-errors-on-unmatched', ...paths], { cwd: copy });
  }

  const asked = () => check(name, exercise, copy, { signal: AbortSignal.timeout(240_000) });
  const said = async () => {
    const { passed, questions } = await asked();
    expect(passed).toBe(false);
    return questions.flatMap(({ finding }) => (finding ? Object.values(finding) : [])).join('\n');
  };

  test('accepts its solution', async () => {
    await lay(await layersOf(name, 'solution'));
    const questions = exercise.questions.map(({ inCluster }) =>
      inCluster ? { skipped: inCluster } : { passed: true },
    );
    expect(await asked()).toMatchObject({ passed: true, questions });
  });

  test('has the hints that its questions name, in both languages', () => {
    const [en, ko] = [hintsOf(name, 'en'), hintsOf(name, 'ko')];
    expect(en.length).toBeGreaterThanOrEqual(3);
    expect(ko).toHaveLength(en.length);
    for (const { hint = 1 } of exercise.questions) expect(en[hint - 1]).toBeDefined();
  });

  test('names every wrong variant', () => {
    const { start: _, ...inCluster } = exercise.refused.inCluster ?? {};
    const refused = { ...exercise.refused.wrong, ...inCluster };
    expect(wrongNames(name)).toEqual(Object.keys(refused).toSorted());
  });

  const wrong = Object.entries(exercise.refused.wrong);
  const isChallenge = exercise.faults !== undefined;
  test.runIf(!isChallenge).each(wrong)('refuses %s', async (variant, sentence) => {
    await lay(await layersOf(name, { wrong: [variant] }));
    expect(await said()).toContain(sentence);
  });

  test.runIf(exercise.refused.start)('refuses its start', async () => {
    await lay(await layersOf(name, 'start'));
    expect(await said()).toContain(exercise.refused.start);
  });

  describe.runIf(isChallenge && !exercise.pool)('has faults', () => {
    const pool = wrongNames(name);
    const layersOver = async (faults: string[]) => (await layersOf(name, { wrong: faults })).slice(-faults.length);
    let solution: string;

    beforeAll(async () => {
      solution = await place('base', await layersOf(name, 'solution'));
      await install();
    }, 300_000);

    test('that are sound code, and that fit over each other as a seed chooses them', async () => {
      expect(pool.length).toBeGreaterThanOrEqual(10);
      await lay(await layersOf(name, { wrong: pool }));
      const chosen = Array.from({ length: 40 }, (_, seed) => faultsOf(name, exercise.faults ?? 0, String(seed)));
      expect(new Set(chosen.map((it) => it.join())).size).toBeGreaterThan(30);
      for (const faults of chosen) await layOver(copy, solution, await layersOver(faults));
    });

    test.each(apart(pool))(
      'each of which fails a question of its own, whatever others there are (group %#)',
      async (...faults) => {
        await place(solution, await layersOver(faults));
        const { questions } = await asked();
        const findings = questions.flatMap(({ finding }) => (finding ? Object.values(finding).join('\n') : []));
        const told = findings.map((words) =>
          faults.filter((it) => words.includes(exercise.refused.wrong[it] ?? '')).join(),
        );
        expect(told.toSorted()).toEqual(faults.toSorted());
      },
    );
  });
});

/** Groups of which any fault is in one without any other: each is in three of six, no two in the same three. */
function apart(faults: string[]): string[][] {
  const groups: string[][] = Array.from({ length: 6 }, () => []);
  const left = [...faults];
  for (const [a, first] of groups.entries())
    for (const [b, second] of groups.slice(a + 1).entries())
      for (const third of groups.slice(a + b + 2)) {
        const fault = left.shift();
        if (fault) for (const group of [first, second, third]) group.push(fault);
      }
  return groups;
}
