/** The clone that a command changes: what of it is committed, and what was installed into it. */
import { existsSync } from 'node:fs';
import { rm, rmdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { execa } from 'execa';
import { Ending } from './program.ts';

/** What stands in the way, in one line; nothing was changed. */
export class Refusal extends Ending {
  readonly exitCode = 2;
}

export interface GitOptions {
  /** When it aborts, its reason is thrown. */
  cancelSignal?: AbortSignal;
  env?: Record<string, string>;
  input?: string;
}

/**
 * What Git prints.
 * @throws {Refusal} with what Git says
 */
export async function git(
  root: string,
  args: readonly string[],
  { env, ...options }: GitOptions = {},
): Promise<string> {
  // Git's words end in a line of ours, which is English.
  const all = { ...options, cwd: root, reject: false, env: { ...env, LC_ALL: 'C' } } as const;
  const { exitCode, stdout, stderr, isCanceled, code } = await execa('git', args, all);
  if (isCanceled) throw options.cancelSignal?.reason;
  if (exitCode === 0) return stdout;
  throw new Refusal(`Git says: ${code === 'ENOENT' ? 'git was not found' : complaintIn(stderr || stdout)}`);
}

/** The line that says what is wrong, with the files that it lists. */
function complaintIn(text: string): string {
  const lines = text.trim().split('\n');
  const first = lines.findIndex((line) => /^(fatal|error): /.test(line));
  if (first < 0) return lines.at(-1) ?? '';
  const others = lines.slice(first + 1);
  const end = others.findIndex((line) => !line.startsWith('\t'));
  const files = others.slice(0, end < 0 ? undefined : end).map((line) => line.trim());
  return [lines[first]?.replace(/^\w+: /, ''), files.join(', ')].filter(Boolean).join(' ');
}

/** The files that are not committed as they are. */
export async function changedFiles(root: string, options?: GitOptions): Promise<string[]> {
  const asked = ['status', '--porcelain', '-z', '--no-renames', '--untracked-files=normal'];
  const lines = await git(root, asked, options);
  return lines
    .split('\0')
    .filter(Boolean)
    .map((line) => line.slice(3));
}

/** What Git has begun and not ended, by what it keeps of it meanwhile. */
const UNDER_WAY = {
  'rebase-merge': 'rebase',
  'rebase-apply': 'rebase',
  MERGE_HEAD: 'merge',
  CHERRY_PICK_HEAD: 'cherry-pick',
  REVERT_HEAD: 'revert',
  BISECT_LOG: 'bisect',
};

/** @throws {Refusal} unless this is a clone of its own, and Git is not in the middle of something there */
export async function requireIdle(root: string, options?: GitOptions): Promise<void> {
  if (await git(root, ['rev-parse', '--show-prefix'], options)) {
    const other = await git(root, ['rev-parse', '--show-toplevel'], options);
    throw new Refusal(`This folder is no clone of its own but a part of ${other}: clone it somewhere else.`);
  }
  const args = Object.keys(UNDER_WAY).flatMap((it) => ['--git-path', it]);
  const paths = (await git(root, ['rev-parse', ...args], options)).split('\n');
  const begun = Object.values(UNDER_WAY).find((_, i) => existsSync(resolve(root, paths[i] ?? '')));
  if (begun) throw new Refusal(`A ${begun} is under way: bring it to its end, or give it up; \`git status\` says how.`);
}

/** @throws {Refusal} unless all is committed, so that what is done now can be told from what was there */
export async function requireClean(root: string, options?: GitOptions): Promise<void> {
  await requireIdle(root, options);
  const changed = await changedFiles(root, options);
  if (changed.length === 0) return;
  const some = changed.slice(0, 3).join(', ') + (changed.length > 3 ? `, and ${changed.length - 3} more` : '');
  throw new Refusal(`Your work tree has changes that are not committed (${some}): commit or stash them first.`);
}

/** A git command that commits: as somebody, where nobody has told Git who commits. */
export async function commit(root: string, args: readonly string[], options?: GitOptions): Promise<string> {
  const isSomebody = await git(root, ['var', 'GIT_COMMITTER_IDENT'], options).then(
    () => true,
    (error: unknown) => {
      if (error instanceof Refusal) return false;
      throw error;
    },
  );
  const nobody = ['-c', 'user.name=student', '-c', 'user.email=student@localhost'];
  return git(root, [...(isSomebody ? [] : nobody), ...args], options);
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
