/** `npx pnpm@12 exercise COMMAND`: the exercises of week 4, each on a branch of its own. */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { styleText } from 'node:util';
import { Command, Option } from '@commander-js/extra-typings';
import { execa } from 'execa';
import { closest, distance } from 'fastest-levenshtein';
import { Obstacle } from '../lab/obstacle.ts';
import { INSTALL, Refusal } from '../local/clone.ts';
import { run } from '../local/program.ts';
import { connectCluster } from './check/cluster.ts';
import { changeOf, choose, fieldOf } from './check/faults.ts';
import { hintsOf, README } from './check/hints.ts';
import { exerciseNames, FOLDER, faultsOf, goodFiles, layersOf, loadExercise, startOf } from './check/layers.ts';
import { check, disclose, missingProgram, type Report, render } from './check/report.ts';
import { WorkTree } from './check/work-tree.ts';

const ROOT = join(FOLDER, '..');
const LANGUAGE = /^ko/.test(process.env.LC_ALL || process.env.LC_MESSAGES || process.env.LANG || '') ? 'ko' : 'en';
const workTree = new WorkTree(ROOT);

/** `strangler` will do for `01-strangler`. @throws {Refusal} */
function readName(word: string): string {
  const names = exerciseNames();
  const short = (name: string) => name.replace(/^(debug-)?\d+-/, '');
  const found = names.find((name) => [name, short(name)].includes(word));
  if (found) return found;
  const near = closest(
    word,
    names.flatMap((name) => [name, short(name)]),
  );
  const hint = distance(word, near) <= 3 ? `did you mean ${near}?` : `there are ${names.join(', ')}`;
  throw new Refusal(`There is no exercise ${word}: ${hint}`);
}

/** The one that is named, else the one under way. @throws {Refusal} */
async function chosen(word: string | undefined): Promise<string> {
  if (word !== undefined) return readName(word);
  const current = await workTree.current();
  if (current) return readName(current);
  throw new Refusal('No exercise is under way: name one, or begin with `npx pnpm@12 exercise start NAME`.');
}

const program = new Command('npx pnpm@12 exercise')
  .usage('COMMAND [options]')
  .description(
    'The exercises of week 4 (exercises/README.md). Each is a branch exercise/NAME; your own branches stay as they are.',
  )
  .helpOption('-h, --help', 'this text')
  .helpCommand(false)
  .showHelpAfterError()
  .exitOverride();

program
  .command('list')
  .description('what there is, by the days of the course')
  .action(async () => {
    const current = await workTree.current().catch(() => undefined);
    const exercises = await Promise.all(exerciseNames().map(async (name) => ({ name, ...(await loadExercise(name)) })));
    for (const { name, title, day, minutes } of exercises.toSorted((a, b) => a.day - b.day)) {
      const mark = name === current ? styleText('green', '  ← under way') : '';
      console.log(`day ${day}  ${name.padEnd(18)} ${String(minutes).padStart(3)} min  ${title[LANGUAGE]}${mark}`);
    }
  });

program
  .command('start')
  .description('begin one, or go on with it')
  .argument('<name>', 'such as strangler')
  .option('--seed <text>', 'of a challenge: the same seed gives the same faults')
  .action(async (word, options) => {
    const name = readName(word);
    const { minutes, faults } = await loadExercise(name);
    if (options.seed !== undefined && faults === undefined) throw new Refusal(noChallenge(name));
    const { seed = randomBytes(3).toString('hex') } = options;
    const how = await workTree.start(name, () => startOf(name, seed));
    if (!(await workTree.isInstalled())) await install();
    if (how === 'under way') return console.log(`${name} is under way already: npx pnpm@12 exercise check`);
    await workTree.keep(`Install what ${name} needs`);
    if (how === 'new' && faults !== undefined) await workTree.remember(name, 'seed', seed);
    if (faults !== undefined) await tellSeed(name, options.seed);
    const kept = how === 'resumed' ? ', as you left it' : '';
    console.log(`You are on the branch exercise/${name}${kept}. Read ${readmeOf(name)}: about ${minutes} minutes.`);
    console.log('Then: npx pnpm@12 exercise check | hint | solution | stop');
  });

program
  .command('check')
  .description('ask the questions of one; exit code 1 while one of them fails')
  .argument('[name]', 'by default the one under way')
  .option('--cluster', 'on the cluster that kubectl points to')
  .addOption(new Option('--context <name>', 'of kubectl, instead of the current one').implies({ cluster: true }))
  .option('--json', 'for programs')
  .action(async (word, { cluster, context, json }) => {
    const name = await chosen(word);
    const exercise = await loadExercise(name);
    if (cluster && !exercise.openInCluster) throw new Refusal(`${name} has nothing to ask on a cluster.`);
    const missing = cluster ? undefined : await missingProgram(exercise);
    if (missing) throw new Obstacle(`${name} needs ${missing}, which is not on your PATH`, readmeOf(name));
    const access = cluster ? await connectCluster(context) : undefined;
    const given = new AbortController();
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
      process.on(signal, () => {
        if (given.signal.aborted) process.exit(128 + constants.signals[signal]);
        process.exitCode = 128 + constants.signals[signal];
        given.abort();
      });
    let report: Report;
    try {
      report = await check(name, exercise, ROOT, { signal: given.signal, ...(access && { cluster: access }) });
    } catch (error) {
      if (given.signal.aborted) return;
      throw error;
    }
    const failures = report.passed ? 0 : await noteFailure(name, report);
    const shown = exercise.faults === undefined ? report : disclose(report, failures);
    console.log(json ? JSON.stringify(shown) : render(shown, exercise.questions.length));
    if (report.passed) return;
    process.exitCode = 1;
    if (!json) console.log(`Stuck? npx pnpm@12 exercise hint ${name}`);
  });

program
  .command('hint')
  .description('the hint for what your check failed at, then the others')
  .argument('[name]', 'by default the one under way')
  .action(async (word) => {
    const name = await chosen(word);
    if ((await workTree.current()) !== name)
      throw new Refusal(`${name} is not under way: npx pnpm@12 exercise start ${name}`);
    const failed = await workTree.recall(name, 'failed');
    if (failed === undefined)
      throw new Refusal(
        `Try it first: there are hints after a check that failed (npx pnpm@12 exercise check ${name}).`,
      );
    const { questions } = await loadExercise(name);
    const fitting = questions.find((it) => it.name === failed)?.hint;
    const hints = hintsOf(name, LANGUAGE);
    const given = ((await workTree.recall(name, 'hints')) ?? '').split(' ').filter(Boolean).map(Number);
    const numbers = [...(fitting === undefined ? [] : [fitting]), ...hints.map((_, i) => i + 1)];
    const number = numbers.find((it) => !given.includes(it)) ?? fitting ?? hints.length;
    await workTree.remember(name, 'hints', [...new Set([...given, number])].join(' '));
    if (number === fitting) console.log(`Your check failed at: ${failed}\n`);
    console.log(`${hints[number - 1]}\n\n(${number} of ${hints.length})`);
  });

program
  .command('solution')
  .description('what our solution has that your files have not')
  .argument('[name]', 'by default the one under way')
  .action(async (word) => {
    const name = await chosen(word);
    await workTree.showSolution(name, await layersOf(name, 'solution'));
  });

program
  .command('faults')
  .description('for a teacher: what a seed has put into a challenge')
  .argument('<name>', 'such as debug-2-mesh')
  .requiredOption('--seed <text>', 'as it was given to start')
  .action(async (word, { seed }) => {
    const name = readName(word);
    const { faults, pool } = await loadExercise(name);
    if (faults === undefined) throw new Refusal(noChallenge(name));
    if (!pool) {
      for (const fault of faultsOf(name, faults, seed))
        console.log(`${fault}\n${readFileSync(join(FOLDER, name, 'wrong', fault, 'changes.diff'), 'utf8')}`);
      return;
    }
    const good = goodFiles(name);
    for (const fault of choose(pool, faults, seed)) {
      const { was, is } = changeOf(fault, good);
      console.log(`${fault.name}\n  ${fieldOf(fault)}\n  good:  ${was}\n  wrong: ${is}`);
    }
  });

program
  .command('stop')
  .description('commit what you have, and go back to the branch you came from')
  .action(async () => {
    const { name, branch, from } = await workTree.stop();
    console.log(
      `Your work is on the branch ${branch}, you are on ${from} again. Go on with: npx pnpm@12 exercise start ${name}`,
    );
  });

const readmeOf = (name: string) => `exercises/${name}/${README[LANGUAGE]}`;

const noChallenge = (name: string) => `${name} is no challenge: it begins the same for everybody.`;

/** Links what the package.json files name, and writes the lock file that follows from it. */
async function install(): Promise<void> {
  const { exitCode, all } = await execa('npx', INSTALL, { cwd: ROOT, all: true, reject: false });
  if (exitCode !== 0)
    console.error(`npx pnpm@12 install did not go through, so do it again: ${all.trim().split('\n').at(-1)}`);
}

/** @param wanted the seed that the student has asked for, if any */
async function tellSeed(name: string, wanted: string | undefined): Promise<void> {
  const seed = await workTree.recall(name, 'seed');
  if (seed !== undefined) console.log(`Its faults are those of the seed ${seed}.`);
  if (wanted !== undefined && wanted !== seed)
    console.log(
      `For those of ${wanted}: npx pnpm@12 exercise stop, git branch -m exercise/${name} first-try, and start again.`,
    );
}

/**
 * Remembers what a check has failed at, for hints.
 * @returns how often it has failed since more of it held than before: who makes progress is not told more
 */
async function noteFailure(name: string, { questions }: Report): Promise<number> {
  if ((await workTree.current().catch(() => undefined)) !== name) return 1;
  await workTree.remember(name, 'failed', questions.find(({ finding }) => finding)?.question ?? '');
  const held = String(questions.filter(({ passed }) => passed).length);
  const before = (await workTree.recall(name, 'held')) === held ? Number(await workTree.recall(name, 'failures')) : 0;
  await workTree.remember(name, 'held', held);
  await workTree.remember(name, 'failures', String(before + 1));
  return before + 1;
}

await run(program);
