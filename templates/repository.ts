/** What both commands do to the clone they are run in. */
import { constants } from 'node:os';
import { type Command, CommanderError } from '@commander-js/extra-typings';
import { execa } from 'execa';
import * as clone from '../local/clone.ts';
import { ROOT } from './changes.ts';

const stopping = new AbortController();

/** @throws {Refusal} with what Git says */
export const git = (...args: string[]): Promise<string> => clone.git(ROOT, args, stopping.signal);

/** @throws {Refusal} unless all is committed */
export const requireClean = (): Promise<void> => clone.requireClean(ROOT, stopping.signal);

/**
 * Does the work in a clean work tree, writes what follows from it (the flat files of k8s/, the lock file, the format), and
 * commits all of it. When anything fails, or on Ctrl-C, the work tree is as it was.
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
    await clone.commit(ROOT, ['commit', '--quiet', '--no-verify', '--no-gpg-sign', '-m', message], stopping.signal);
  } catch (error) {
    await execa('git', ['reset', '--quiet', '--hard'], { cwd: ROOT });
    await execa('git', ['clean', '--quiet', '--force', '-d'], { cwd: ROOT });
    throw error;
  }
}

/** What can be done again by hand is said, and does not undo the rest. */
async function follow(program: string, ...args: string[]): Promise<void> {
  const options = { cwd: ROOT, reject: false, all: true, preferLocal: true, cancelSignal: stopping.signal } as const;
  const { exitCode, all, isCanceled } = await execa(program, args, options);
  if (isCanceled) throw stopping.signal.reason;
  const said = all.trim().split('\n').at(-1);
  if (exitCode !== 0) console.error(`${program} ${args.join(' ')} did not go through, do it again: ${said}`);
}

/** Wrong use: usage and exit code 2. What stands in the way: one line and exit code 2. */
export async function run(program: Command<[string], Record<string, unknown>> | Command): Promise<void> {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.on(signal, () => {
      process.exitCode = 128 + constants.signals[signal];
      stopping.abort();
    });
  try {
    await program.parseAsync();
  } catch (error) {
    if (stopping.signal.aborted) return;
    if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : 2;
    else if (error instanceof clone.Refusal) {
      console.error(error.message);
      process.exitCode = 2;
    } else throw error;
  }
}
