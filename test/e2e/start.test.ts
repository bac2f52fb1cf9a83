import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { freePort } from '../../local/free-port.ts';
import { cookieOf, form, http } from '../support/http.ts';
import { hangs, openStub } from '../support/stub.ts';

/** `pnpm start` as a user would run it, without pnpm in between. */
function runStart(...args: string[]) {
  const child = spawn(process.execPath, ['local/start.ts', ...args], {
    cwd: fileURLToPath(new URL('../..', import.meta.url)),
    env: { PATH: process.env.PATH },
  });
  const run = { child, stdout: '', stderr: '', exit: once(child, 'exit').then(([code]) => code as number) };
  child.stdout.on('data', (chunk) => (run.stdout += chunk));
  child.stderr.on('data', (chunk) => (run.stderr += chunk));
  return run;
}

describe('pnpm start', () => {
  let run: ReturnType<typeof runStart>;
  let page: string;
  beforeAll(async () => {
    const port = await freePort();
    page = `http://127.0.0.1:${port}/productpage`;
    run = runStart('--port', String(port), '--traces');
    await vi.waitUntil(() => run.stdout.includes('Ready after'), { timeout: 30_000 });
  });
  afterAll(() => run.child.kill('SIGKILL'));

  test('says what runs where and where the page is', () => {
    for (const name of [
      'productpage-v1',
      'productpage-v2',
      'details-v1',
      'reviews-v1',
      'reviews-v2',
      'reviews-v3',
      'ratings-v1',
    ]) {
      expect(run.stdout).toMatch(new RegExp(`  ${name} +http://127.0.0.1:\\d+  pid \\d+`));
    }
    expect(run.stdout).toContain(page.replace('127.0.0.1', 'localhost'));
  });

  test('shows no stars, black stars and red stars in turn, from both versions of the page', async () => {
    const seen = new Set<string>();
    const counts = new Set<number>();
    for (let i = 0; i < 30; i++) {
      const { text: html } = await http(page);
      expect(html).toContain('<title>Simple Bookstore App</title>');
      counts.add(html.split('\n').filter((line) => line.includes('glyphicon-star')).length);
      seen.add(/data-version="(v\d)"/.exec(html)?.[0] ?? '');
      seen.add(/data-color="\w+"/.exec(html)?.[0] ?? 'no stars');
    }
    expect([...counts].toSorted()).toEqual([0, 9]);
    expect([...seen].toSorted()).toEqual([
      'data-color="black"',
      'data-color="red"',
      'data-version="v1"',
      'data-version="v2"',
      'no stars',
    ]);
  });

  test('tags the log lines with the workload and draws traces', async () => {
    expect(run.stdout).toMatch(/^details-v1 .*GET \/details\/0 200/m);
    await vi.waitFor(() => {
      expect(run.stdout).toMatch(/trace [0-9a-f]{32}, 8 spans\n└─ productpage v\d GET \/productpage 200/);
    });
  });

  test('keeps a sign-in whichever version of the page answers', async () => {
    const cookie = cookieOf(await http(page.replace('productpage', 'login'), form({ username: 'jason', passwd: 'x' })));
    for (let i = 0; i < 4; i++) {
      expect((await http(page, { headers: { cookie } })).text).toContain('jason');
    }
  });

  test('stops everything on Ctrl-C', async () => {
    const pids = [...run.stdout.matchAll(/ pid (\d+)/g)].map(([, pid]) => Number(pid));
    run.child.kill('SIGINT');
    expect(await run.exit).toBe(0);
    for (const pid of pids) expect(() => process.kill(pid, 0)).toThrow('ESRCH');
  });
});

test('pnpm start --help explains the options', async () => {
  const run = runStart('--help');
  expect(await run.exit).toBe(0);
  expect(run.stdout).toContain('--traces');
});

test.each([['--bogus'], ['--port', 'x'], ['--port', '70000']])(
  'pnpm start %s %s: usage and exit 2',
  async (...args) => {
    const run = runStart(...args);
    expect(await run.exit).toBe(2);
    expect(run.stderr).toContain('Usage: npx pnpm@12 start');
    expect(run.stderr).not.toMatch(/^ +at /m);
  },
);

test('a port in use is said in one line', async () => {
  await using occupant = await openStub(hangs);
  const run = runStart('--port', String(occupant.port));
  expect(await run.exit).toBe(1);
  expect(run.stderr).toBe(`port ${occupant.port} is in use, choose another one with --port\n`);
});

const isAlive = (pid: number) => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

test.each(['SIGHUP', 'SIGKILL'] as const)('start leaves no service behind when it gets %s', async (signal) => {
  const run = runStart('-p', String(await freePort()));
  await vi.waitUntil(() => run.stdout.includes('Ready after'), { timeout: 30_000 });
  const pids = [...run.stdout.matchAll(/ pid (\d+)/g)].map(([, pid]) => Number(pid));
  expect(pids).toHaveLength(7);
  run.child.kill(signal);
  await vi.waitUntil(() => !pids.some(isAlive), { timeout: 20_000 });
});
