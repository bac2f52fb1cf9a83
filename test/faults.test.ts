import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test, vi } from 'vitest';
import { backendAt } from '../local/bookinfo.ts';
import { freePort } from '../local/free-port.ts';
import { type ServiceProcess, startService } from '../local/process.ts';
import { createMariaDb, mariaDbPath } from './support/databases.ts';
import { http } from './support/http.ts';
import { start } from './support/service.ts';

/** How long a fault lasts. */
const FAULT_MS = 8000;
const INTERVAL_MS = 100;

type Kind = 'whole' | 'partial' | 'failed';
interface Look {
  at: number;
  ms: number;
  kind: Kind;
}
interface Fault {
  act(): unknown;
  undo(): unknown;
}

const rows: string[][] = [];
afterAll(() => {
  const head = ['Fault', 'noticed after s', 'whole', 'partial', 'failed', 'p50 ms', 'max ms', 'whole again after s'];
  const line = (cells: string[]) => `| ${cells.join(' | ')} |`;
  console.log([line(head), line(head.map((_, i) => (i === 0 ? '---' : '---:'))), ...rows.map(line)].join('\n'));
});

/** Asks ten times a second, each time on a new connection, whether or not the last answer has come. */
function watch(url: string, kindOf: (answer: Awaited<ReturnType<typeof http>>) => Kind) {
  const looks: Look[] = [];
  const timer = setInterval(async () => {
    const at = performance.now();
    const kind = await http(url).then(kindOf, () => 'failed' as const);
    looks.push({ at, ms: performance.now() - at, kind });
  }, INTERVAL_MS);
  return { looks, [Symbol.dispose]: () => clearInterval(timer) };
}

/** Lets a fault happen and pass, and adds its row to the table. */
async function suffer(name: string, watched: ReturnType<typeof watch>, { act, undo }: Fault): Promise<Look[]> {
  const { looks } = watched;
  const wholeSince = (time: number) =>
    vi.waitUntil(() => looks.find(({ at, kind }) => at >= time && kind === 'whole'), { timeout: 60_000 });
  await wholeSince(0);
  const began = performance.now();
  await act();
  await sleep(FAULT_MS);
  await undo();
  const ended = performance.now();
  const first = await wholeSince(ended);
  // The last ones of those that were asked meanwhile.
  await sleep(7000);
  const during = looks.filter(({ at }) => at >= began && at < ended);
  const noticed = Math.min(...during.filter(({ kind }) => kind !== 'whole').map(({ at, ms }) => at + ms));
  const times = during.map(({ ms }) => ms).toSorted((a, b) => a - b);
  const seconds = (ms: number) => (Number.isFinite(ms) ? (ms / 1000).toFixed(1) : 'never');
  rows.push([
    name,
    seconds(noticed - began),
    ...(['whole', 'partial', 'failed'] as const).map((kind) => String(during.filter((l) => l.kind === kind).length)),
    String(Math.round(times[Math.floor(times.length / 2)] ?? Number.NaN)),
    String(Math.round(times.at(-1) ?? Number.NaN)),
    seconds(first.at + first.ms - ended),
  ]);
  return during;
}

/** Bookinfo, whose processes can be started again at the same place. */
async function startShop() {
  // Services that are added later have no part in a page, and none in this.
  const ports = {
    productpage: await freePort(),
    details: await freePort(),
    reviews: await freePort(),
    ratings: await freePort(),
  };
  const silent = await openProxy(ports.details);
  const env = {
    ENABLE_RATINGS: 'true',
    STAR_COLOR: 'red',
    ...backendAt('details', silent.port),
    ...backendAt('reviews', ports.reviews),
    ...backendAt('ratings', ports.ratings),
  };
  const running = {} as Record<keyof typeof ports, ServiceProcess>;
  const launch = async (service: keyof typeof ports) => {
    running[service] = await startService(service, { env: { ...env, PORT: String(ports[service]) } });
  };
  for (const service of ['ratings', 'reviews', 'details', 'productpage'] as const) await launch(service);
  return {
    running,
    launch,
    proxy: silent,
    page: `http://127.0.0.1:${ports.productpage}/api/v1/products/0/page`,
    async [Symbol.asyncDispose]() {
      for (const one of Object.values(running)) one.kill('SIGKILL');
      await silent[Symbol.asyncDispose]();
    },
  };
}

/** Between two services; while it is silent it takes connections and bytes and passes nothing on. */
async function openProxy(target: number) {
  const sockets = new Set<Socket>();
  let isSilent = false;
  const server = createServer((client) => {
    const backend = connect(target, '127.0.0.1');
    for (const [from, to] of [
      [client, backend],
      [backend, client],
    ] as const) {
      sockets.add(from);
      from.on('error', () => {}).on('close', () => to.destroy());
      from.on('data', (data) => {
        if (!isSilent) to.write(data);
      });
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as { port: number }).port,
    silence: (on: boolean) => {
      isSilent = on;
    },
    async [Symbol.asyncDispose]() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

/** As the page's report tells. */
const kindOfPage: Parameters<typeof watch>[1] = ({ status, text }) =>
  status !== 200 ? 'failed' : text.includes('"ok":false') ? 'partial' : 'whole';
const kindOfStatus: Parameters<typeof watch>[1] = ({ status }) => (status === 200 ? 'whole' : 'failed');

describe('the page', () => {
  test.each([
    ['details is killed', 'details', 'SIGKILL'],
    ['reviews is killed', 'reviews', 'SIGKILL'],
    ['ratings is killed', 'ratings', 'SIGKILL'],
    ['details is stopped', 'details', 'SIGSTOP'],
    ['reviews is stopped', 'reviews', 'SIGSTOP'],
    ['ratings is stopped', 'ratings', 'SIGSTOP'],
  ] as const)('is there while %s', async (name, service, signal) => {
    await using shop = await startShop();
    using watched = watch(shop.page, kindOfPage);
    const during = await suffer(name, watched, {
      act: () => shop.running[service].kill(signal),
      undo: () => (signal === 'SIGKILL' ? shop.launch(service) : shop.running[service].kill('SIGCONT')),
    });
    expect(during.filter(({ kind }) => kind === 'failed')).toEqual([]);
  });

  test('is there while the way to details is a black hole', async () => {
    await using shop = await startShop();
    using watched = watch(shop.page, kindOfPage);
    const during = await suffer('details is behind a black hole', watched, {
      act: () => shop.proxy.silence(true),
      undo: () => shop.proxy.silence(false),
    });
    expect(during.filter(({ kind }) => kind === 'failed')).toEqual([]);
  });
});

describe.skipIf(!mariaDbPath)('ratings with a database (needs mariadbd)', () => {
  test.each([
    ['the database is killed', 'SIGKILL'],
    ['the database is stopped', 'SIGSTOP'],
  ] as const)('says so while %s, and lives on', async (name, signal) => {
    await using database = await createMariaDb();
    await database.start();
    await database.seed();
    await using ratings = await start('ratings', database.env);
    using watched = watch(`http://127.0.0.1:${ratings.port}/ratings/0`, kindOfStatus);
    await suffer(name, watched, {
      act: () => database.signal(signal),
      undo: () => (signal === 'SIGKILL' ? database.start() : database.signal('SIGCONT')),
    });
    expect(await ratings.request('/health/live')).toMatchObject({ status: 200 });
  });
});

/** Details, started by hand. Nobody reads its log. */
async function startDetails(command: string) {
  const port = await freePort();
  const child = spawn(
    'sh',
    ['-c', `${command} exec "$0" --import @bookinfo/chassis/telemetry src/server.ts`, process.execPath],
    {
      cwd: fileURLToPath(new URL('../services/details', import.meta.url)),
      env: { PATH: process.env.PATH ?? '', PORT: String(port), LISTEN_ADDRESS: '127.0.0.1' },
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  const url = `http://127.0.0.1:${port}/details/0`;
  await vi.waitFor(() => http(url), { timeout: 30_000, interval: 100 });
  return { child, port, url };
}

test('a service answers while nobody reads its log, and stops in order', async () => {
  const { child, port, url } = await startDetails('');
  using watched = watch(url, kindOfStatus);
  const during = await suffer('the log is blocked', watched, {
    act: async () => {
      const path = `http://127.0.0.1:${port}/${'x'.repeat(300)}`;
      for (let round = 0; round < 60; round++) await Promise.all(Array.from({ length: 30 }, () => http(path)));
    },
    undo: () => {},
  });
  expect(during.filter(({ kind }) => kind !== 'whole')).toEqual([]);
  child.kill('SIGTERM');
  expect((await once(child, 'exit'))[0]).toBe(0);
});

test.skipIf(process.platform !== 'linux')(
  'a service with 64 file descriptors lives on when all are taken',
  async () => {
    const { child, port, url } = await startDetails('ulimit -n 64;');
    using watched = watch(url, kindOfStatus);
    const clients: Socket[] = [];
    await suffer('64 file descriptors, all taken', watched, {
      act: () => {
        for (let n = 0; n < 100; n++) clients.push(connect(port, '127.0.0.1').on('error', () => {}));
      },
      undo: () => {
        for (const client of clients) client.destroy();
      },
    });
    child.kill('SIGTERM');
    expect((await once(child, 'exit'))[0]).toBe(0);
  },
);
