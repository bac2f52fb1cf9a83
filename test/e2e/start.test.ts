import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { Agent, get, type IncomingMessage } from 'node:http';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { styleText } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { freePort } from '../../local/free-port.ts';
import type { Span } from '../../local/otlp.ts';
import { createTraceTree } from '../../local/trace-tree.ts';
import { newSpanId, newTraceId } from '../support/collector.ts';
import { cookieOf, form, http } from '../support/http.ts';
import { answers, hangs, openStub } from '../support/stub.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

// Each test waits for seven processes to start.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

/** `pnpm start` as a user would run it, without pnpm in between. */
function runStart(args: string[], env: Record<string, string> = {}) {
  return run(process.execPath, ['local/start.ts', ...args], env);
}

/** The same in a terminal. */
function runStartInTerminal(args: string[], env: Record<string, string> = {}) {
  return run('script', ['-qec', `exec ${process.execPath} local/start.ts ${args.join(' ')}`, '/dev/null'], env);
}
const hasScript = spawnSync('script', ['--version']).stdout?.includes('util-linux') ?? false;

function run(command: string, args: string[], env: Record<string, string>) {
  const child = spawn(command, args, { cwd: ROOT, env: { PATH: process.env.PATH, ...env } });
  const exit = once(child, 'exit').then(([code]) => code as number);
  const running = {
    child,
    stdout: '',
    stderr: '',
    exit,
    /** Each line has been printed sooner or later. */
    prints: (line: string | RegExp) =>
      vi.waitFor(
        () => {
          expect(running.stdout).toMatch(line);
        },
        { timeout: 60_000 },
      ),
    pids: () => [...running.stdout.matchAll(/ pid (\d+)/g)].map(([, pid]) => Number(pid)),
    pidOf: (name: string) => Number([...running.stdout.matchAll(new RegExp(`${name} .* pid (\\d+)`, 'g'))].at(-1)?.[1]),
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await exit;
    },
  };
  child.stdout.on('data', (chunk) => (running.stdout += chunk));
  child.stderr.on('data', (chunk) => (running.stderr += chunk));
  return running;
}

/** Waits until everything listens. `page` is where. */
async function started(start: typeof runStart, args: string[], env: Record<string, string> = {}) {
  const port = await freePort();
  const running = start(['--port', String(port), ...args], env);
  await running.prints('Ready after').catch(async (error) => {
    await running[Symbol.asyncDispose]();
    throw error;
  });
  return Object.assign(running, { page: `http://127.0.0.1:${port}/productpage` });
}

describe('pnpm start', () => {
  let run: Awaited<ReturnType<typeof started>>;
  let page: string;
  beforeAll(async () => {
    run = await started(runStart, []);
    page = run.page;
  });
  afterAll(() => run[Symbol.asyncDispose]());

  test('says what runs where, and where the page and the live view are', () => {
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
    const url = page.replace('127.0.0.1', 'localhost');
    expect(run.stdout).toMatch(`Page  ${url}\n`);
    expect(run.stdout).toContain(`Live  ${url}?view=live\n`);
  });

  test('shows no stars, black stars and red stars in turn, from both versions of the page, the first from v1', async () => {
    const seen: string[] = [];
    const counts = new Set<number>();
    for (let i = 0; i < 30; i++) {
      const { text: html } = await http(page);
      expect(html).toContain('<title>Simple Bookstore App</title>');
      counts.add(html.split('\n').filter((line) => line.includes('glyphicon-star')).length);
      seen.push(/data-version="(v\d)"/.exec(html)?.[0] ?? '');
      seen.push(/data-color="\w+"/.exec(html)?.[0] ?? 'no stars');
    }
    expect(seen[0]).toBe('data-version="v1"');
    expect([...counts].toSorted()).toEqual([0, 9]);
    expect([...new Set(seen)].toSorted()).toEqual([
      'data-color="black"',
      'data-color="red"',
      'data-version="v1"',
      'data-version="v2"',
      'no stars',
    ]);
  });

  test('shows both versions of the page to a browser, which keeps its connection', async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const seen: string[] = [];
    await vi.waitFor(
      async () => {
        const request = get(page, { agent });
        const [response] = (await once(request, 'response')) as [IncomingMessage];
        const version = String(response.headers['x-service-version']);
        seen.push(request.reusedSocket ? `${version} again` : version);
        await text(response);
        expect(new Set(seen)).toEqual(new Set(['v1', 'v1 again', 'v2', 'v2 again']));
      },
      { timeout: 20_000, interval: 20 },
    );
    agent.destroy();
  });

  test('prints one line for each page, which says who answered', async () => {
    await http(`${page}?seen`);
    const pages =
      /^\d\d:\d\d:\d\d {2}GET \/productpage 200 +\d+ ms {2}productpage v[12] → details v1, reviews v2 → ratings v1$/m;
    await run.prints(pages);
    await http(page.replace('productpage', 'static/style.css'));
    await http(page.replace('productpage', 'nowhere'));
    await run.prints(/GET \/nowhere 404 +\d+ ms {2}productpage v[12]$/m);
    expect(run.stdout).not.toMatch(/GET \/(static|details|reviews|ratings)|INFO|\{/);
  });

  test('keeps a sign-in whichever version of the page answers, and prints who is signed in', async () => {
    const cookie = cookieOf(await http(page.replace('productpage', 'login'), form({ username: 'jason', passwd: 'x' })));
    for (let i = 0; i < 4; i++) {
      expect((await http(page, { headers: { cookie } })).text).toContain('jason');
    }
    await run.prints('GET /productpage 200, jason ');
  });

  test('stops everything on Ctrl-C', async () => {
    const pids = run.pids();
    expect(pids).toHaveLength(7);
    run.child.kill('SIGINT');
    expect(await run.exit).toBe(0);
    for (const pid of pids) expect(isAlive(pid)).toBe(false);
    // Neither colours nor complaints.
    expect(run.stdout).not.toContain('\u001b');
    expect(run.stderr).toBe('');
  });
});

describe('pnpm start --traces', () => {
  const TIME = String.raw`+[\d.]+ ms  [ ░█]+`;
  let run: Awaited<ReturnType<typeof started>>;
  beforeAll(async () => {
    run = await started(runStart, ['--traces']);
  });
  afterAll(() => run[Symbol.asyncDispose]());

  test('draws each page as a tree of aligned rows, one for each call', async () => {
    const tree = new RegExp(
      [
        '^GET /productpage 200  trace [0-9a-f]{32}',
        `productpage v[12] +200 ${TIME}`,
        String.raw`├─ details v1    GET /details/\{productId\} 200 ${TIME}`,
        String.raw`└─ reviews v[23]    GET /reviews/\{productId\} 200 ${TIME}`,
        String.raw`   └─ ratings v1 GET /ratings/\{productId\} 200 ${TIME}`,
        '\n',
      ].join('\n'),
      'm',
    );
    for (let i = 0; i < 6; i++) await http(run.page);
    await run.prints(tree);
    const [, ...rows] = tree.exec(run.stdout)?.[0].trim().split('\n') ?? [];
    expect(new Set(rows.map((row) => row.indexOf(' ms  '))).size).toBe(1);
    expect(run.stdout).not.toMatch(/^\d\d:\d\d:\d\d/m);
  });

  test('draws each request that came with trace headers of its own, but no stylesheet', async () => {
    const traceId = newTraceId();
    await http(run.page.replace('productpage', 'static/style.css'));
    const headers = { traceparent: `00-${traceId}-${newSpanId()}-00` };
    await http(run.page.replace('productpage', 'nowhere'), { headers });
    await http(run.page, { headers });
    await run.prints(new RegExp(`^GET /nowhere 404  trace ${traceId}\nproductpage v[12] `, 'm'));
    await run.prints(new RegExp(`^GET /productpage 200  trace ${traceId}\nproductpage v[12] .*\n.* details v1 `, 'm'));
    expect(run.stdout).not.toContain('style.css');
  });

  test('has a row for a call that nobody answered', async () => {
    process.kill(run.pidOf('ratings-v1'), 'SIGKILL');
    await run.prints('ratings-v1 has ended');
    for (let i = 0; i < 6; i++) await http(run.page);
    await run.prints(/└─ reviews v[23] .*\n {3}└─ ratings {2}GET \/ratings\/\{productId\} +(reset|refused) +[\d.]+ ms/);
    await run.prints('WARN  reviews v');
  });
});

test('a trace is forgotten once it is printed', async () => {
  setFlagsFromString('--expose-gc');
  const gc = runInNewContext('gc') as () => void;
  const print = vi.fn();
  const onSpans = createTraceTree(print, () => ({ verbose: false, columns: 80 }));
  const receive = () => {
    const span: Span = {
      ...{ traceId: newTraceId(), spanId: newSpanId(), parentSpanId: newSpanId(), name: 'GET /x', kind: 2 },
      ...{ start: 0, duration: 1, error: false, attributes: {}, resource: {} },
    };
    onSpans([span]);
    return new WeakRef(span);
  };
  const received = receive();
  await vi.waitFor(() => expect(print).toHaveBeenCalledOnce());
  await vi.waitFor(() => {
    gc();
    expect(received.deref()).toBeUndefined();
  });
});

test('pnpm start gives the services its environment, and lets them log what they are told to', async () => {
  await using collector = await openStub(answers({}));
  const env = {
    LOG_LEVEL: 'warn',
    HOSTNAME: 'laptop',
    JAEGER_UI_URL: 'http://jaeger.example',
    CLUSTER_NAME: 'classroom',
    OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${collector.port}`,
    FORCE_COLOR: '1',
  };
  await using running = await started(runStart, ['--verbose'], env);
  const { page } = running;
  const { text } = await http(page);
  expect(text).toContain('http://jaeger.example/trace/');
  expect(text).toContain('classroom');
  await vi.waitUntil(() => collector.received.some(({ path }) => path === '/v1/traces'), { timeout: 20_000 });
  process.kill(running.pidOf('ratings-v1'), 'SIGKILL');
  await running.prints('ratings-v1 has ended');
  for (let i = 0; i < 6; i++) await http(page);
  await running.prints(`${styleText('yellow', 'WARN', { validateStream: false })}  reviews v3  ratings `);
  expect(running.stdout).not.toContain('INFO');
});

test('a service that ends does not end the rest, which goes on without it', async () => {
  await using running = await started(runStart, []);
  const { page } = running;
  process.kill(running.pidOf('productpage-v2'), 'SIGKILL');
  await running.prints(/^productpage-v2 has ended with SIGKILL, the others go on\.$/m);
  for (let i = 0; i < 6; i++) expect(/data-version="(v\d)"/.exec((await http(page)).text)?.[1]).toBe('v1');
  running.child.kill('SIGINT');
  expect(await running.exit).toBe(1);
});

test.skipIf(!hasScript)('in a terminal, Enter starts a service again that has ended', async () => {
  await using running = await started(runStartInTerminal, [], { NO_COLOR: '1' });
  const { page } = running;
  const ended = running.pidOf('details-v1');
  running.child.stdin.write('typed before\n');
  await running.prints('typed before');
  process.kill(ended, 'SIGKILL');
  await running.prints(/^details-v1 has ended with SIGKILL, the others go on. Press Enter to start it again.\r$/m);
  expect((await http(page)).text).toContain('Error fetching product details');
  expect(running.stdout).not.toContain('is being started');
  running.child.stdin.write('\n');
  await running.prints(/^details-v1 runs again: .* pid \d+\r$/m);
  expect(running.pidOf('details-v1')).not.toBe(ended);
  expect((await http(page)).text).not.toContain('Error fetching product details');
  expect(running.stdout).not.toContain('\u001b');
  // Ctrl-C as it is typed.
  running.child.stdin.write('\u0003');
  expect(await running.exit).toBe(0);
});

test('a reader that has stopped stops neither the page nor Ctrl-C; when it reads on, it learns what is lost', async () => {
  // Its lines are the longest.
  await using running = await started(runStart, [], { LOG_FORMAT: 'json' });
  const { page } = running;
  running.child.stdout.pause();
  await printMuch(page, 2000);
  expect(await http(page)).toMatchObject({ status: 200 });
  running.child.stdout.resume();
  await running.prints(/^\(\d+ lines were dropped while nobody read them\)$/m);
  running.child.stdout.pause();
  await printMuch(page, 300);
  running.child.kill('SIGINT');
  expect(await running.exit).toBe(0);
});

test.skipIf(!hasScript)('a paused terminal stops neither the page nor Ctrl-C', async () => {
  await using running = await started(runStartInTerminal, [], { LOG_FORMAT: 'json' });
  const { page } = running;
  // Nobody reads what `script` prints, so nor does it what is printed in its terminal.
  running.child.stdout.pause();
  await printMuch(page, 2000);
  expect(await http(page)).toMatchObject({ status: 200 });
  const { stdout } = spawnSync('pgrep', ['--parent', String(running.child.pid)]);
  process.kill(Number(stdout), 'SIGINT');
  await vi.waitFor(() => expect(http(page)).rejects.toThrow('ECONNREFUSED'), { timeout: 20_000 });
});

/** Long lines, so many of them. */
async function printMuch(page: string, lines: number) {
  const path = page.replace('productpage', 'x'.repeat(300));
  for (let i = 0; i < lines; i += 50) await Promise.all(Array.from({ length: 50 }, () => http(path)));
}

test('npm start is all that it takes without a network, once everything is installed', async () => {
  await using running = run('npm', ['start', '--', '--help'], { npm_config_registry: 'http://127.0.0.1:1' });
  expect(await running.exit).toBe(0);
  expect(running.stdout).toContain('Usage: npx pnpm@12 start');
});

test('pnpm start --help explains the options', async () => {
  const run = runStart(['--help']);
  expect(await run.exit).toBe(0);
  expect(run.stdout).toContain('--traces');
});

test.each([
  ['--bogus', "error: unknown option '--bogus'"],
  ['--trace', "error: unknown option '--trace'\n(Did you mean --traces?)"],
  ['--port=x', "error: option '-p, --port <port>' argument 'x' is invalid. It is a TCP port, 1 to 65535."],
  ['--port=70000', "error: option '-p, --port <port>' argument '70000' is invalid. It is a TCP port, 1 to 65535."],
  ['traces', 'error: too many arguments. Expected 0 arguments but got 1: traces.'],
])('pnpm start %s: a line that says why, usage and exit 2', async (arg, line) => {
  const run = runStart([arg]);
  expect(await run.exit).toBe(2);
  expect(run.stderr).toBe(`${line}\nUsage: npx pnpm@12 start [options] (--help explains them)\n`);
});

test('a port in use is said in one line', async () => {
  await using occupant = await openStub(hangs);
  const run = runStart(['-p', String(occupant.port)]);
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
  const run = await started(runStart, []);
  const pids = run.pids();
  expect(pids).toHaveLength(7);
  run.child.kill(signal);
  await vi.waitUntil(() => !pids.some(isAlive), { timeout: 20_000 });
});
