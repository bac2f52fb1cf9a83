/** The clone that a command changes: what of it is committed, and what was installed into it. */
import { rm, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';

/** What stands in the way, in one line; nothing was changed. */
export class Refusal extends Error {}

/**
 * What Git prints.
 * @param cancelSignal when it aborts, its reason is thrown
 * @throws {Refusal} with what Git says
 */
export async function git(root: string, args: readonly string[], cancelSignal?: AbortSignal): Promise<string> {
  const options = { cwd: root, reject: false, ...(cancelSignal && { cancelSignal }) } as const;
  const { exitCode, stdout, stderr, isCanceled } = await execa('git', args, options);
  if (isCanceled) throw cancelSignal?.reason;
  if (exitCode === 0) return stdout;
  const said = stderr.split('\n').find((line) => /^(fatal|error): /.test(line)) ?? 'git was not found';
  throw new Refusal(`Git says: ${said.replace(/^\w+: /, '')}`);
}

/** The files that are not committed as they are. */
export async function changedFiles(root: string, cancelSignal?: AbortSignal): Promise<string[]> {
  const lines = await git(root, ['status', '--porcelain', '-z'], cancelSignal);
  return lines
    .split('\0')
    .filter(Boolean)
    .map((line) => line.slice(3));
}

/** @throws {Refusal} unless all is committed, so that what is done now can be told from what was there */
export async function requireClean(root: string, cancelSignal?: AbortSignal): Promise<void> {
  const changed = await changedFiles(root, cancelSignal);
  if (changed.length === 0) return;
  const some = changed.slice(0, 3).join(', ') + (changed.length > 3 ? `, and ${changed.length - 3} more` : '');
  throw new Refusal(`Your work tree has changes that are not committed (${some}): commit or stash them first.`);
}

/** A git command that commits: as somebody, where nobody has told Git who commits. */
export async function commit(root: string, args: readonly string[], cancelSignal?: AbortSignal): Promise<string> {
  const isSomebody = await git(root, ['var', 'GIT_COMMITTER_IDENT'], cancelSignal).then(
    () => true,
    (error: unknown) => {
      if (error instanceof Refusal) return false;
      throw error;
    },
  );
  const nobody = ['-c', 'user.name=student', '-c', 'user.email=student@localhost'];
  return git(root, [...(isSomebody ? [] : nobody), ...args], cancelSignal);
}

/**
 * Arguments of npx: installs what the package.json files name, and writes the lock file that follows from them. Not what pnpm
 * remembers of node_modules counts, which Git may have left behind.
 */
export const INSTALL: readonly string[] = [
  ...['--yes', 'pnpm@12', 'install', '--prefer-offline', '--no-frozen-lockfile'],
  '--config.optimistic-repeat-install=false',
];

/** Links to packages, which Git ignores, would keep the folder of a package that is gone. */
export async function removeLinks(root: string, folder: string): Promise<void> {
  await rm(join(root, folder, 'node_modules'), { recursive: true, force: true });
  await rmdir(join(root, folder)).catch(() => {});
}
