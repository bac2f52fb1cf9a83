/** An exercise in the student's clone: a branch, what is remembered of it beside it in Git's configuration, and no other state. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { execa } from 'execa';
import { changedFiles, commit, git, Refusal, removeLinks, requireClean, requireIdle } from '../../local/clone.ts';
import { type Layer, layOver } from './layers.ts';

const PREFIX = 'exercise/';

export class WorkTree {
  readonly root: string;

  /** @param root of a clone */
  constructor(root: string) {
    this.root = root;
  }

  /** The exercise whose branch is checked out. */
  async current(): Promise<string | undefined> {
    const branch = await this.branch();
    return branch?.startsWith(PREFIX) ? branch.slice(PREFIX.length) : undefined;
  }

  /**
   * Switches to the exercise's branch. Makes it first, from HEAD with the layers over it, if there is none yet.
   * @returns whether it was there, with the student's work
   * @throws {Refusal}
   */
  async start(name: string, layers: () => Promise<readonly Layer[]>): Promise<'new' | 'resumed' | 'under way'> {
    const current = await this.current();
    if (current === name) return 'under way';
    if (current)
      throw new Refusal(`${current} is under way: \`npx pnpm@12 exercise stop\` keeps your work and goes back.`);
    await requireClean(this.root);
    const branch = PREFIX + name;
    const from = (await this.branch()) ?? (await this.git('rev-parse', 'HEAD'));
    const isThere = await this.knows(`refs/heads/${branch}`);
    if (!isThere) {
      const tree = await layOver(this.root, from, await layers());
      const begun = await commit(this.root, ['commit-tree', tree, '-p', 'HEAD', '-m', `Start ${name}`]);
      await this.git('branch', '--no-track', branch, begun);
    }
    await this.remember(name, 'from', from);
    await this.switch(branch);
    return isThere ? 'resumed' : 'new';
  }

  /** Commits everything in the work tree to the branch of the exercise that is under way. @returns whether there was anything */
  async keep(message: string): Promise<boolean> {
    if ((await changedFiles(this.root)).length === 0) return false;
    await this.git('add', '--all');
    await commit(this.root, ['commit', '--quiet', '--no-verify', '--no-gpg-sign', '-m', message]);
    return true;
  }

  /**
   * Commits the student's work and goes back to where `start` was called.
   * @returns the exercise, where it is kept, and where we are now
   * @throws {Refusal}
   */
  async stop(): Promise<{ name: string; branch: string; from: string }> {
    await requireIdle(this.root);
    const name = await this.current();
    if (!name) throw new Refusal('No exercise is under way; `npx pnpm@12 exercise start NAME` begins one.');
    await this.keep(`Work on ${name}`);
    const branch = PREFIX + name;
    const from = await this.recall(name, 'from');
    if (!from || !(await this.knows(from)))
      throw new Refusal(
        `Your work is committed to ${branch}, but the branch you came from${from ? `, ${from},` : ''} is gone: git switch to another one.`,
      );
    const packages = await this.packages();
    await this.switch(...((await this.knows(`refs/heads/${from}`)) ? [] : ['--detach']), from);
    // What was installed there is ignored by Git and would keep a folder that is no service here.
    for (const folder of packages.filter((it) => !existsSync(join(this.root, it, 'package.json'))))
      await removeLinks(this.root, folder);
    return { name, branch, from };
  }

  /** Prints what is different in the solution: its layers lie over what the exercise was started from. @throws {Refusal} */
  async showSolution(name: string, layers: readonly Layer[]): Promise<void> {
    const branch = PREFIX + name;
    const log =
      (await this.current()) === name &&
      (await this.git('log', '-1', '--format=%P %H', `--grep=^Start ${name}$`, branch));
    const [base = 'HEAD', begun = base] = log ? log.split(' ') : [];
    const tree = await layOver(this.root, base, layers);
    // A file that the exercise began with, and the solution takes away, is neither in the base nor in the tree.
    const changed = [base, begun].map((it) => this.git('diff', '--no-renames', '--name-only', it, tree));
    const paths = (await Promise.all(changed)).join('\n').split('\n');
    await execa('git', ['diff', '-R', '--src-prefix=b/', '--dst-prefix=a/', tree, '--', ...paths], {
      cwd: this.root,
      stdio: 'inherit',
      reject: false,
    });
  }

  /** Whether what the packages depend on is linked; not so where `start` was killed, or after another branch. */
  async isInstalled(): Promise<boolean> {
    const folders = await this.packages();
    return folders.every((folder) => {
      try {
        const text = readFileSync(join(this.root, folder, 'package.json'), 'utf8');
        const { dependencies = {} } = JSON.parse(text) as { dependencies?: Record<string, string> };
        return Object.keys(dependencies).every((it) => existsSync(join(this.root, folder, 'node_modules', it)));
      } catch {
        return false;
      }
    });
  }

  /** The folders of the packages that are checked out. */
  private async packages(): Promise<string[]> {
    const files = await this.git('ls-files', '-z', '--', '*/package.json');
    return files
      .split('\0')
      .filter((file) => file && !file.startsWith('exercises/'))
      .map(dirname);
  }

  /** Never over a file that Git ignores, and so would not ask about. */
  private async switch(...to: string[]): Promise<void> {
    await this.git('switch', '--quiet', '--no-overwrite-ignore', ...to);
  }

  /** Remembers something of an exercise as long as its branch exists. */
  async remember(name: string, what: string, value: string): Promise<void> {
    await this.git('config', `branch.${PREFIX}${name}.exercise-${what}`, value);
  }

  async recall(name: string, what: string): Promise<string | undefined> {
    const args = ['config', '--get', `branch.${PREFIX}${name}.exercise-${what}`];
    const { exitCode, stdout } = await execa('git', args, { cwd: this.root, reject: false });
    return exitCode === 0 ? stdout : undefined;
  }

  private async branch(): Promise<string | undefined> {
    await this.git('rev-parse', '--git-dir');
    const head = await execa('git', ['symbolic-ref', '--quiet', '--short', 'HEAD'], { cwd: this.root, reject: false });
    return head.exitCode === 0 ? head.stdout : undefined;
  }

  private async knows(revision: string): Promise<boolean> {
    const args = ['rev-parse', '--quiet', '--verify', `${revision}^{commit}`];
    return (await execa('git', args, { cwd: this.root, reject: false })).exitCode === 0;
  }

  private git(...args: string[]): Promise<string> {
    return git(this.root, args);
  }
}
