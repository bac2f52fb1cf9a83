/** What both commands do to the clone they are run in. */
import { constants } from 'node:os';
import type { CommandUnknownOpts } from '@commander-js/extra-typings';
import { execa } from 'execa';
import * as clone from '../local/clone.ts';
import { run as runProgram } from '../local/program.ts';
import { ROOT } from './changes.ts';

const stopping = new AbortController();
const options = { cancelSignal: stopping.signal };

/** @throws {Refusal} with what Git says */
export const git = (...args: string[]): Promise<string> => clone.git(ROOT, args, options);

/** @throws {Refusal} unless all is committed */
export const requireClean = (): Promise<void> => clone.requireClean(ROOT, options);

/**
 * Does the work in a clean work tree, writes what follows from it (the flat files of k8s/, the lock file, the format), and
 * commits all of it. When anything fails, or on Ctrl-C, the work tree is as it was, and a stash has what was there meanwhile.
 */
export async function change(message: string, work: () => Promise<void>): Promise<void> {
  try {
    await work();
    await follow('npx', ...clone.INSTALL);
    await follow(process.execPath, 'k8s/generate.ts');
    await git('add', '--all');
    const files = (await git('diff', '--cached', '--name-only', '--diff-filter=d')).split('\n');
    const code = files.filter((file) => file.endsWith('.ts'));
    if (code.length > 0) await follow('biome', 'check', '--write', ...code);
    await git('add', '--all');
    await clone.commit(ROOT, ['commit', '--quiet', '--no-verify', '--no-gpg-sign', '-m', message], options);
  } catch (error) {
    // With what somebody may have written meanwhile: undone, but not gone.
    const undo = ['stash', 'push', '--quiet', '--include-untracked', '-m', `${message}: undone`];
    await clone.commit(ROOT, undo).catch((failure: Error) => console.error(failure.message));
    throw error;
  }
}

/** What can be done again by hand is said, and does not undo the rest. */
async function follow(program: string, ...args: string[]): Promise<void> {
  const { exitCode, all, isCanceled } = await execa(program, args, {
    ...options,
    cwd: ROOT,
    reject: false,
    all: true,
    preferLocal: true,
  });
  if (isCanceled) throw stopping.signal.reason;
  const said = all.trim().split('\n').at(-1);
  if (exitCode !== 0) console.error(`${program} ${args.join(' ')} did not go through, do it again: ${said}`);
}

/** Runs a command; a signal undoes what it has begun. */
export async function run(program: CommandUnknownOpts): Promise<void> {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.on(signal, () => {
      process.exitCode = 128 + constants.signals[signal];
      stopping.abort();
    });
  await runProgram(program, stopping.signal);
}
