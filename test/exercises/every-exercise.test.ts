/** Each exercise, in a copy of the repository: its solution is accepted, its start and every wrong variant refused in the right words. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  exerciseNames,
  FOLDER,
  faultsOf,
  layersOf,
  layOver,
  loadExercise,
  wrongNames,
} from '../../exercises/check/layers.ts';
import { check } from '../../exercises/check/report.ts';
import { copyRepository } from './copy.ts';

const ROOT = join(FOLDER, '..');
const BIN = join(ROOT, 'node_modules/.bin');
/** What an exercise changes: the rest of the repository was checked where it is. */
const TSCONFIG = {
  extends: './tsconfig.json',
  compilerOptions: { incremental: true, tsBuildInfoFile: 'node_modules/.tsbuildinfo' },
  include: ['services/*/src', 'services/*/workloads.ts', 'packages/*/src', 'local', 'test/services/known.ts'],
};

describe.each(exerciseNames())('%s', async (name) => {
  const exercise = await loadExercise(name);
  let copy: string;
  const git = async (...args: string[]) => (await execa('git', args, { cwd: copy })).stdout;

  beforeAll(async () => {
    copy = await copyRepository({ 'tsconfig.exercise.json': JSON.stringify(TSCONFIG) });
    await git('tag', 'base');
  });
  afterAll(() => rmSync(copy, { recursive: true, force: true }));

  /** Makes the copy what a student has with these layers, as far as their code is concerned sound. */
  async function lay(layers: string[]): Promise<void> {
    const tree = await layOver(copy, 'base', layers);
    await git('read-tree', '--reset', '-u', tree);
    const install = ['--yes', 'pnpm@12', 'install', '--offline', '--no-frozen-lockfile'];
    await execa('npx', install, { cwd: copy });
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
    expect(await asked()).toMatchObject({ passed: true, questions: exercise.questions.map(() => ({ passed: true })) });
  });

  test('names every wrong variant', () => {
    expect(wrongNames(name)).toEqual(Object.keys(exercise.refused.wrong).toSorted());
  });

  test.each(Object.entries(exercise.refused.wrong))('refuses %s', async (variant, sentence) => {
    await lay(await layersOf(name, { wrong: [variant] }));
    expect(await said()).toContain(sentence);
  });

  test.runIf(exercise.refused.start)('refuses its start', async () => {
    await lay(await layersOf(name, 'start'));
    expect(await said()).toContain(exercise.refused.start);
  });

  test.runIf(exercise.faults && !exercise.pool)(
    'chooses faults by a seed, and any of them can be laid over each other',
    async () => {
      const chosen = Array.from({ length: 40 }, (_, seed) => faultsOf(name, exercise.faults ?? 0, String(seed)));
      expect(new Set(chosen.map((it) => it.join())).size).toBeGreaterThan(1);
      for (const wrong of chosen) await layOver(copy, 'base', await layersOf(name, { wrong }));
      await lay(await layersOf(name, { wrong: chosen[0] ?? [] }));
      const sentences = chosen[0]?.map((fault) => exercise.refused.wrong[fault]) ?? [];
      const words = await said();
      expect(sentences.filter((sentence) => words.includes(sentence ?? ''))).not.toEqual([]);
    },
  );
});
