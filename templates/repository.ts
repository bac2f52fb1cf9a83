/** What both commands do to the clone they are run in. */
import { rm, rmdir } from 'node:fs/promises';
import { constants } from 'node:os';
import { join } from 'node:path';
import { type Command, CommanderError } from '@commander-js/extra-typings';
import { execa } from 'execa';
import { ROOT } from './changes.ts';

/** What stands in the way, in one line; nothing was changed. */
export class Refusal extends Error {}

const stopping = new AbortController();

/** @throws {Refusal} with what Git says */
export async function git(...args: string[]): Promise<string> {
  const options = { cwd: ROOT, reject: false, cancelSignal: stopping.signal } as const;
  const { exitCode, stdout, stderr, isCanceled } = await execa('git', args, options);
  if (isCanceled) throw stopping.signal.reason;
  if (exitCode === 0) return stdout;
  const said = stderr.split('\n').find((line) => /^(fatal|error): /.test(line)) ?? 'git was not found';
  throw new Refusal(`Git says: ${said.replace(/^\w+: /, '')}`);
}

/** @throws {Refusal} unless all is committed, so that what is done now can be told from what was there */
export async function requireClean(): Promise<void> {
  const changed = (await git('status', '--porcelain', '-z'))
    .split('\0')
    .filter(Boolean)
    .map((line) => line.slice(3));
  if (changed.length === 0) return;
  const some = changed.slice(0, 3).join(', ') + (changed.length > 3 ? `, and ${changed.length - 3} more` : '');
  throw new Refusal(`Your work tree has changes that are not committed (${some}): commit or stash them first.`);
}

/**
 * Does the work in a clean work tree, writes what follows from it (the flat files of k8s/, the lock file, the format), and
 * commits all of it. When anything fails, or on Ctrl-C, the work tree is as it was.
 */
export async function change(message: string, work: () => Promise<void>): Promise<void> {
  try {
    await work();
    // Not what pnpm remembers of node_modules counts, which Git may have left behind, but what the lock file says.
    const afresh = ['--no-frozen-lockfile', '--config.optimistic-repeat-install=false'];
    await follow('npx', '--yes', 'pnpm@12', 'install', '--prefer-offline', ...afresh);
    await follow(process.execPath, 'k8s/generate.ts');
    await git('add', '--all');
    const files = (await git('diff', '--cached', '--name-only', '--diff-filter=d')).split('\n');
    const code = files.filter((file) => file.endsWith('.ts'));
    if (code.length > 0) await follow('biome', 'check', '--write', ...code);
    await git('add', '--all');
    const nobody = ['-c', 'user.name=student', '-c', 'user.email=student@localhost'];
    const isSomebody = await git('var', 'GIT_COMMITTER_IDENT').then(
      () => true,
      () => false,
    );
    await git(...(isSomebody ? [] : nobody), 'commit', '--quiet', '--no-verify', '--no-gpg-sign', '-m', message);
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

/** Links to packages, which Git ignores, would keep the folder of a service that is gone. */
export async function removeLinks(name: string): Promise<void> {
  const folder = join(ROOT, 'services', name);
  await rm(join(folder, 'node_modules'), { recursive: true, force: true });
  await rmdir(folder).catch(() => {});
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
    else if (error instanceof Refusal) {
      console.error(error.message);
      process.exitCode = 2;
    } else throw error;
  }
}
