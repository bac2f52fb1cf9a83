/** `npx pnpm@12 exercise` in a clone: whatever is done in whatever order, nothing of the student's work is lost. */
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { fakeCluster } from '../e2e/lab/fake-cluster.ts';
import { copyRepository } from './copy.ts';

/** Starts a service, then never comes to an answer. */
const ENDLESS = `
import { defineExercise } from '../check/exercise.ts';
import { openShop } from '../check/shop.ts';

export default defineExercise({
  title: { en: 'Endless', ko: '끝이 없습니다' },
  day: 5,
  minutes: 1,
  open: (tree, { signal }) => openShop(tree, signal, (shop) => shop.start('details-v1')),
  questions: [{ name: 'never', ask: () => new Promise(() => {}) }],
  refused: { start: 'never', wrong: {} },
});
`;

/** Asks the cluster alone. */
const REMOTE = `
import { defineExercise, hold } from '../check/exercise.ts';

export default defineExercise({
  title: { en: 'Remote', ko: '멀리 있습니다' },
  day: 5,
  minutes: 1,
  open: async () => ({ cluster: undefined, async [Symbol.asyncDispose]() {} }),
  openInCluster: async (_tree, { cluster }) => ({ cluster, async [Symbol.asyncDispose]() {} }),
  questions: [
    {
      name: 'the cluster has a namespace',
      async ask({ cluster }) {
        const seen = cluster ? await cluster.kubectl('get', 'namespaces') : 'no cluster';
        hold(seen === 'shop', { expected: 'shop', seen });
      },
    },
  ],
  refused: { start: 'never', wrong: {} },
});
`;

let clone: string;
const git = async (...args: string[]) => (await execa('git', args, { cwd: clone, env })).stdout;
/** No name, no address, no setting of whoever runs the tests; and a Git that would rather speak Korean. */
const env = {
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_CONFIG_SYSTEM: '/dev/null',
  LANG: 'C.UTF-8',
  LANGUAGE: 'ko',
  NO_COLOR: '1',
};
const NAMED = ['-c', 'user.name=a', '-c', 'user.email=a@localhost'];
const COMMIT = [...NAMED, 'commit', '--quiet'];
const spawned = (...args: string[]) =>
  execa(process.execPath, ['exercises/exercise.ts', ...args], { cwd: clone, env, reject: false });
/** What it prints and its exit code, as one text to compare. */
async function exercise(...args: string[]): Promise<string> {
  const { stdout, stderr, exitCode } = await spawned(...args);
  return [stdout, stderr, `exit ${exitCode}`].filter(Boolean).join('\n');
}
const path = (file: string) => join(clone, file);
const read = (file: string) => readFileSync(path(file), 'utf8');
const branch = () => git('branch', '--show-current');
const changes = () => git('status', '--porcelain');

beforeAll(async () => {
  clone = await copyRepository({
    'exercises/98-remote/exercise.ts': REMOTE,
    'exercises/99-endless/exercise.ts': ENDLESS,
    'exercises/99-endless/start/challenge/endless.txt': 'No end.\n',
  });
  await execa('npx', ['--yes', 'pnpm@12', 'install', '--offline'], { cwd: clone });
});
afterAll(() => rmSync(clone, { recursive: true, force: true }));

beforeEach(async () => {
  writeFileSync(path('.git/info/exclude'), '');
  await git('config', 'status.showUntrackedFiles', 'normal');
  await git('reset', '--quiet', '--hard');
  await git('clean', '--quiet', '--force', '-d');
  await git('switch', '--quiet', 'main');
  const old = (await git('branch', '--list', 'exercise/*', '--format=%(refname:short)')).split('\n').filter(Boolean);
  for (const name of old) await git('branch', '--quiet', '-D', name);
});

describe('says in one line what stands in the way, with exit code 2 and nothing changed:', () => {
  test('a work tree with changes', async () => {
    writeFileSync(path('README.md'), 'mine');
    writeFileSync(path('notes.txt'), 'mine, too');
    expect(await exercise('start', 'strangler')).toBe(
      'Your work tree has changes that are not committed (README.md, notes.txt): commit or stash them first.\nexit 2',
    );
    expect([await branch(), read('README.md'), read('notes.txt')]).toEqual(['main', 'mine', 'mine, too']);
  });

  test('a name that nothing has', async () => {
    expect(await exercise('start', 'stranger')).toBe('There is no exercise stranger: did you mean strangler?\nexit 2');
    expect(await exercise('check', 'x')).toMatch(
      /^There is no exercise x: there are 01-strangler, .*99-endless.*\nexit 2$/,
    );
  });

  test('another exercise that is under way', async () => {
    await exercise('start', 'endless');
    expect(await exercise('start', 'strangler')).toBe(
      '99-endless is under way: `npx pnpm@12 exercise stop` keeps your work and goes back.\nexit 2',
    );
    expect(await branch()).toBe('exercise/99-endless');
  });

  test('none under way', async () => {
    expect(await exercise('stop')).toMatch(/^No exercise is under way; .*\nexit 2$/);
    expect(await exercise('check')).toMatch(/^No exercise is under way: .*\nexit 2$/);
    expect(await exercise('hint', 'endless')).toMatch(/^99-endless is not under way: .*\nexit 2$/);
  });

  test('a merge with conflicts', async () => {
    await exercise('start', 'endless');
    const commit = [...COMMIT, '--all', '--message=x'];
    await git('switch', '--quiet', '--create', 'other');
    writeFileSync(path('LICENSE'), 'theirs');
    await git(...commit);
    await git('switch', '--quiet', 'exercise/99-endless');
    writeFileSync(path('LICENSE'), 'mine');
    await git(...commit);
    await git(...NAMED, 'merge', 'other').catch(() => {});
    expect(await exercise('stop')).toMatch(/^A merge is under way: .*\nexit 2$/);
    expect(read('LICENSE')).toMatch(/mine[\s\S]*theirs/);
    await git('merge', '--abort');
    await git('switch', '--quiet', 'main');
    await git('branch', '-D', 'other');
  });

  test('a rebase in the middle', async () => {
    await exercise('start', 'endless');
    writeFileSync(path('notes.txt'), 'mine');
    await git('add', '--all');
    await git(...COMMIT, '--message=mine');
    await git('-c', 'sequence.editor=sed -i.bak s/^pick/edit/', ...NAMED, 'rebase', '--interactive', 'HEAD~1');
    for (const words of [['stop'], ['start', 'strangler'], ['start', 'endless']])
      expect(await exercise(...words)).toMatch(/^A rebase is under way: .*\nexit 2$/);
    await git('rebase', '--abort');
    expect(await git('branch', '--list', 'exercise/*')).toBe('* exercise/99-endless');
    expect(read('notes.txt')).toBe('mine');
  });

  test('files that Git does not ask about: untracked ones that it was told not to show, and ignored ones', async () => {
    writeFileSync(path('notes.txt'), 'mine');
    await git('config', 'status.showUntrackedFiles', 'no');
    expect(await exercise('start', 'endless')).toMatch(/\(notes\.txt\): commit or stash them first\.\nexit 2$/);
    await git('config', 'status.showUntrackedFiles', 'normal');
    writeFileSync(path('.git/info/exclude'), 'notes.txt\nchallenge/');
    mkdirSync(path('challenge'));
    writeFileSync(path('challenge/endless.txt'), 'mine');
    expect(await exercise('start', 'endless')).toBe(
      'Git says: The following untracked working tree files would be overwritten by checkout: challenge/endless.txt\nexit 2',
    );
    expect([await branch(), read('notes.txt'), read('challenge/endless.txt')]).toEqual(['main', 'mine', 'mine']);
  });

  test('a seed for what is no challenge', async () => {
    expect(await exercise('start', 'strangler', '--seed', '1')).toMatch(/^01-strangler is no challenge: .*\nexit 2$/);
    expect(await branch()).toBe('main');
  });

  test('what does not fit, and where nothing can be written', async () => {
    await git('switch', '--quiet', '--create', 'own');
    writeFileSync(path('local/workloads.ts'), 'mine');
    await git(...COMMIT, '--all', '--message=mine');
    expect(await exercise('start', 'saga')).toMatch(/^The files of this exercise do not fit onto own, .*\nexit 2$/);
    expect(await exercise('solution', 'saga')).toMatch(/^The files of this exercise do not fit onto HEAD, .*\nexit 2$/);
    const options = { cwd: clone, env: { ...env, TMPDIR: '/dev/null' }, reject: false } as const;
    const { stderr, exitCode } = await execa(process.execPath, ['exercises/exercise.ts', 'start', 'endless'], options);
    expect([stderr, exitCode]).toEqual([expect.stringMatching(/^ENOTDIR: [^\n]*$/), 1]);
    await git('switch', '--quiet', 'main');
    await git('branch', '-D', 'own');
  });

  test('a folder in another repository', async () => {
    const ours = { ...env, GIT_DIR: path('.git'), GIT_WORK_TREE: dirname(clone) };
    for (const words of [['start', 'endless'], ['stop']]) {
      const options = { cwd: clone, env: ours, reject: false } as const;
      const { stderr, exitCode } = await execa(process.execPath, ['exercises/exercise.ts', ...words], options);
      expect([stderr, exitCode]).toEqual([expect.stringMatching(/^This folder is no clone of its own .*$/), 2]);
    }
  });

  test('a folder that is no clone', async () => {
    await execa('mv', ['.git', '.hidden'], { cwd: clone });
    try {
      expect(await exercise('start', 'endless')).toMatch(/^Git says: not a git repository.*\nexit 2$/);
    } finally {
      await execa('mv', ['.hidden', '.git'], { cwd: clone });
    }
  });
});

test.each(['', '--bogus', 'chek', 'start', 'start a b', 'check --bogus'])(
  'exercise %s: usage and exit 2',
  async (words) => {
    expect(await exercise(...words.split(' ').filter(Boolean))).toMatch(/Usage: npx pnpm@12 exercise[\s\S]*exit 2$/);
  },
);

test('list names all of them, and which is under way', async () => {
  await exercise('start', 'endless');
  const list = await exercise('list');
  expect(list).toMatch(/^day 1 {2}01-strangler .*60 min/m);
  const days = [...list.matchAll(/^day (\d)/gm)].map(([, day]) => day);
  expect(days).toEqual(days.toSorted());
  expect(list).toMatch(/99-endless .*under way$/m);
  expect(list).toMatch(/\nexit 0$/);
});

test('work that is half done is kept by stop, and there again after start', async () => {
  expect(await exercise('start', 'strangler')).toMatch(
    /branch exercise\/01-strangler\..*exercises\/01-strangler\/README\.md/,
  );
  expect(await exercise('start', 'strangler')).toMatch(/^01-strangler is under way already.*\nexit 0$/);
  writeFileSync(path('services/details/src/app.ts'), 'changed {');
  writeFileSync(path('services/details/src/new.ts'), 'new');
  writeFileSync(path('services/내 메모, für später.txt'), '메모\r\n');
  rmSync(path('LICENSE'));
  await git('add', 'services/details/src/new.ts');

  expect(await exercise('stop')).toMatch(/^Your work is on the branch exercise\/01-strangler, you are on main again/);
  expect([await branch(), await changes()]).toEqual(['main', '']);
  expect(existsSync(path('LICENSE'))).toBe(true);
  expect(existsSync(path('services/details/src/new.ts'))).toBe(false);

  expect(await exercise('start', 'strangler')).toMatch(/, as you left it/);
  expect(read('services/details/src/app.ts')).toBe('changed {');
  expect(read('services/details/src/new.ts')).toBe('new');
  expect(read('services/내 메모, für später.txt')).toBe('메모\n');
  expect(existsSync(path('LICENSE'))).toBe(false);
});

/** Runs it with a Git that kills it after the command of this number that changes something. @returns whether it came to that */
async function killedAt(number: number, ...words: string[]): Promise<boolean> {
  const bin = path('.git/bin');
  mkdirSync(bin, { recursive: true });
  writeFileSync(
    join(bin, 'git'),
    `#!/bin/sh
PATH=\${PATH#*:}
git "$@"
code=$?
case " $* " in
  *" commit-tree "* | *" branch --no-track "* | *" config branch."* | *" switch "* | *" add "* | *" commit "*)
    echo >> "${bin}/changes"
    [ "$(wc -l < "${bin}/changes")" -ne ${number} ] || kill -9 $PPID ;;
esac
exit $code
`,
  );
  chmodSync(join(bin, 'git'), 0o755);
  const options = { cwd: clone, env: { ...env, PATH: `${bin}:${process.env.PATH}` }, reject: false } as const;
  const { signal } = await execa(process.execPath, ['exercises/exercise.ts', ...words], options);
  rmSync(bin, { recursive: true });
  return signal === 'SIGKILL';
}

test('a start that was killed, after whatever it had done, is gone on with by the next one', async () => {
  let kills = 0;
  while (await killedAt(kills + 1, 'start', 'endless')) {
    kills++;
    expect(await exercise('start', 'endless')).toMatch(/\nexit 0$/);
    expect([await branch(), await changes()]).toEqual(['exercise/99-endless', '']);
    expect(read('challenge/endless.txt')).toBe('No end.\n');
    expect(await exercise('stop')).toMatch(/you are on main again[\s\S]*exit 0$/);
    await git('branch', '--quiet', '-D', 'exercise/99-endless');
  }
  expect(kills).toBe(4);
});

test('a stop that was killed has lost nothing either', async () => {
  let kills = -1;
  let killed = true;
  while (killed) {
    await exercise('start', 'endless');
    writeFileSync(path('notes.txt'), `mine ${++kills}`);
    killed = await killedAt(kills + 1, 'stop');
    if (killed && (await branch()) !== 'main') expect(await exercise('stop')).toMatch(/exit 0$/);
    expect([await branch(), await changes()]).toEqual(['main', '']);
    expect(await git('show', 'exercise/99-endless:notes.txt')).toBe(`mine ${kills}`);
  }
  expect(kills).toBe(3);
});

test('start links the packages of an exercise, also when it was killed, and after stop', async () => {
  const library = path('services/stock/node_modules/@bookinfo/chassis');
  await exercise('start', 'saga');
  expect(existsSync(library)).toBe(true);
  rmSync(path('services/stock/node_modules'), { recursive: true });
  expect(await exercise('start', 'saga')).toMatch(/^02-saga is under way already.*\nexit 0$/);
  expect(existsSync(library)).toBe(true);
  await exercise('stop');
  expect(existsSync(path('services/stock'))).toBe(false);
  await exercise('start', 'saga');
  expect(existsSync(library)).toBe(true);
});

test('a challenge says its seed, which counts when it is begun', async () => {
  expect(await exercise('start', 'debug-2-mesh', '--seed', '7')).toMatch(
    /^Its faults are those of the seed 7\.\nYou are/,
  );
  await exercise('stop');
  expect(await exercise('start', 'debug-2-mesh', '--seed', '8')).toMatch(/seed 7\.\nFor those of 8: .*git branch -m/);
});

test('stop leaves no folder of a service that is not of the branch it goes back to', async () => {
  await exercise('start', 'strangler');
  const manifest =
    '{ "name": "@bookinfo/catalog", "private": true, "dependencies": { "@bookinfo/chassis": "workspace:*" } }';
  await execa('mkdir', ['-p', 'services/catalog/node_modules/x'], { cwd: clone });
  writeFileSync(path('services/catalog/package.json'), manifest);
  await exercise('stop');
  expect(existsSync(path('services/catalog'))).toBe(false);
});

test('stop goes back to a commit that was checked out without a branch', async () => {
  await git('switch', '--quiet', '--detach', 'main');
  await exercise('start', 'endless');
  expect(await exercise('stop')).toMatch(/exit 0$/);
  expect([await branch(), await git('rev-parse', 'HEAD')]).toEqual(['', await git('rev-parse', 'main')]);
});

test('stop keeps the work when the branch to go back to is gone', async () => {
  await git('switch', '--quiet', '--create', 'mine');
  await exercise('start', 'endless');
  await git('branch', '--quiet', '-D', 'mine');
  writeFileSync(path('notes.txt'), 'mine');
  expect(await exercise('stop')).toMatch(
    /^Your work is committed to exercise\/99-endless, .* mine, is gone: .*\nexit 2$/,
  );
  expect(await git('show', 'exercise/99-endless:notes.txt')).toBe('mine');
});

test('the first hint is that for what the check has failed at, and says so', async () => {
  await exercise('start', 'resilience-mesh');
  const rules = 'istio/resilience-ratings.yaml';
  const failsAt = async (text: string) => {
    writeFileSync(path(rules), text);
    expect(await exercise('check')).toMatch(/exit 1$/);
    return exercise('hint');
  };
  const begun = read(rules);
  const stormy = begun.replace(
    '            host: ratings\n',
    (it) => `${it}      retries:\n        attempts: 3\n        perTryTimeout: 600ms\n        retryOn: 5xx\n`,
  );
  expect(await failsAt(stormy)).toMatch(
    /^Your check failed at: a ratings that fails is called twice[^\n]*\n\n[\s\S]*\(2 of 3\)\nexit 0$/,
  );
  expect(await exercise('hint')).toMatch(/^(?!Your check)[\s\S]*\(1 of 3\)\nexit 0$/);
  expect(await failsAt(begun)).toMatch(/^(?!Your check)[\s\S]*\(3 of 3\)\nexit 0$/);
  expect(await exercise('hint')).toMatch(
    /^Your check failed at: a pod of ratings that answers 503[\s\S]*\(1 of 3\)\nexit 0$/,
  );
});

test('hints come one by one, after a check that failed', async () => {
  await exercise('start', 'strangler');
  expect(await exercise('hint')).toMatch(/^Try it first: .*\nexit 2$/);
  expect(await exercise('check')).toMatch(/expected catalog-v1 among the workloads[\s\S]*exit 1$/);
  const hints = [await exercise('hint'), await exercise('hint'), await exercise('hint'), await exercise('hint')];
  expect(hints.map((it) => /\((\d) of 3\)/.exec(it)?.[1])).toEqual(['1', '2', '3', '3']);
});

test('faults tells a teacher what a seed has put into a challenge', async () => {
  const told = await exercise('faults', 'debug-1-patterns', '--seed', '7');
  expect(told.match(/^[a-z-]+$/gm)).toHaveLength(4);
  expect(told.match(/^diff --git a\/(services|challenge)\//gm)).toHaveLength(4);
  expect(told).toMatch(/exit 0$/);
  expect(await exercise('faults', 'debug-2-mesh', '--seed', '7')).toMatch(
    /(\n {2}good: .*\n {2}wrong: .*[\s\S]*){4}exit 0$/,
  );
  expect(await exercise('faults', 'saga', '--seed', '7')).toMatch(/^02-saga is no challenge: .*\nexit 2$/);
});

test('check --json is for programs', async () => {
  await exercise('start', 'strangler');
  const { stdout, exitCode } = await spawned('check', '--json');
  expect(exitCode).toBe(1);
  expect(JSON.parse(stdout)).toMatchObject({ exercise: '01-strangler', passed: false, questions: [{ passed: false }] });
});

test('check changes a cluster that does not look local only when its context is named', async () => {
  const remote = '{"current-context":"prod","clusters":[{"cluster":{"server":"https://10.0.0.1:6443"}}]}';
  const answers = { 'config view': remote, '--context=prod get namespaces': 'shop' };
  await using fake = await fakeCluster({ objects: [], answers }, () => ({ status: 404 }));
  const { PATH = '', KUBECTL_STUB = '' } = fake.env;
  const check = async (...args: string[]) => {
    const options = { cwd: clone, env: { ...env, PATH, KUBECTL_STUB }, reject: false, all: true } as const;
    const { all, exitCode } = await execa(process.execPath, ['exercises/exercise.ts', 'check', ...args], options);
    return `${all}\nexit ${exitCode}`;
  };
  expect(await check('remote', '--cluster')).toMatch(
    /^The cluster of the context prod \(.*\) does not look like one on this machine, .*--context prod if you mean it\nexit 1$/,
  );
  expect(await check('remote', '--context', 'prod')).toMatch(/the cluster has a namespace[\s\S]*\nexit 0$/);
  expect(await check('endless', '--context', 'prod')).toBe('99-endless has nothing to ask on a cluster.\nexit 2');
});

test('solution shows what the files lack', async () => {
  await exercise('start', 'strangler');
  const { stdout } = await spawned('solution');
  expect(stdout).toMatch(/^\+const VERSIONS = .*catalog/m);
  expect(stdout).toContain('+++ b/services/catalog/src/app.ts');
  expect(await changes()).toBe('');
});

test('solution shows what the files have too much', async () => {
  await exercise('start', 'events-nats');
  const { stdout } = await spawned('solution');
  expect(stdout).toMatch(/^rename from services\/stars\/src\/feed\.ts$|^\+\+\+ \/dev\/null$/m);
});

/** The processes below one, by what the operating system says. */
async function descendants(pid: number): Promise<number[]> {
  const { stdout } = await execa('ps', ['-A', '-o', 'pid=,ppid=,args=']);
  const all = stdout.split('\n').map((line) => line.trim().split(/\s+/));
  return all
    .filter(([, parent, ...args]) => Number(parent) === pid && args.join(' ').includes('server.ts'))
    .map(([id]) => Number(id));
}
const isAlive = (pid: number) => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

test.each(['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGKILL'] as const)(
  'a check that gets %s leaves no process behind',
  async (signal) => {
    const run = spawned('check', 'endless');
    const pids = await vi.waitUntil(
      async () => {
        const found = await descendants(run.pid ?? 0);
        return found.length > 0 && found;
      },
      { timeout: 30_000, interval: 200 },
    );
    run.kill(signal);
    const { exitCode, stderr } = await run;
    await vi.waitUntil(() => !pids.some(isAlive), { timeout: 20_000 });
    if (signal !== 'SIGKILL') expect(exitCode).toBe({ SIGINT: 130, SIGTERM: 143, SIGHUP: 129 }[signal]);
    expect(stderr).toBe('');
  },
);
