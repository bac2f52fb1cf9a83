/**
 * What Bookinfo costs, in one run on loopback: CPU and rate of each service with telemetry off and exporting everything,
 * beside the same on bare node:http; memory, start, idle; and latency over offered load. Only ratios of one run mean
 * something: docs/measurements.md has them for one machine.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { bundle } from '@bookinfo/bundle';
import { backendAt, startBookinfo } from '../local/bookinfo.ts';
import { freePort } from '../local/free-port.ts';
import { SERVICES, type Service, type WorkloadName, workloads } from '../local/workloads.ts';
import { crowd, load, type Measured, offer } from './load.ts';
import { type Line, plot } from './plot.ts';
import { cpuOf, memoryOf, wakeUpsOf } from './processes.ts';

const PARTS = ['cpu', 'memory', 'start', 'idle', 'saturation', 'overload'] as const;
const USAGE = `Usage: pnpm bench [options]

  --only PARTS     some of ${PARTS.join(', ')}, with commas (default all)
  --sources        run the sources, as start does; by default the bundles that images are made of
  --soak MINUTES   nothing but memory, while half of what the page can bear is asked for
  --seconds N      of load per measurement and round (default 3)
  --rounds N       each measurement is the median of that many (default 5)
  --connections N  (default 16)
  --out FOLDER     where plots go, as SVG (default bench/results)`;

/** What is asked of each service, and the version that is asked. */
const PATHS = {
  'productpage-v1': '/productpage',
  'details-v1': '/details/0',
  'reviews-v3': '/reviews/0',
  'ratings-v1': '/ratings/0',
} satisfies { [name in WorkloadName]?: string };
type Target = keyof typeof PATHS;
const TARGETS = Object.keys(PATHS) as Target[];
/** The workloads of the original manifests. */
const SIX = workloads('productpage-v1', 'details-v1', 'reviews-v1', 'reviews-v2', 'reviews-v3', 'ratings-v1');
const VARIANTS = ['bare', 'off', 'exporting'] as const;
type Variant = (typeof VARIANTS)[number];

/** Four processes that know each other. */
interface Shop extends AsyncDisposable {
  urls: Record<Target, string>;
  pids: number[];
}

const options = readOptions();
const bundles = options.sources ? undefined : await bundleAll();
const collector = await startCollector();
const EXPORTING = { OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${collector.port}` };
const environments = { off: {}, exporting: EXPORTING };

if (options.soak) await soak(options.soak);
else {
  if (options.only.includes('cpu')) await compareCpu();
  if (options.only.includes('memory')) await compareMemory();
  if (options.only.includes('start')) await compareStarts();
  if (options.only.includes('idle')) await compareIdling();
  if (options.only.includes('saturation')) await findSaturation();
  if (options.only.includes('overload')) await compareCrowds();
}
collector.kill();

/** What images are made of, gone when we are. */
async function bundleAll(): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'bookinfo-bench-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  for (const service of SERVICES) {
    progress(`bundling ${service}`);
    await bundle(service, join(folder, service));
  }
  return folder;
}

/** CPU of all processes per request, which other work on the machine disturbs least, and what comes through. */
async function compareCpu(): Promise<void> {
  await using shops = new AsyncDisposableStack();
  const running = new Map<Variant, Shop>();
  for (const variant of ['off', 'exporting'] as const)
    running.set(variant, shops.use(await startShop(environments[variant])));
  const page = await (await fetch(running.get('off')?.urls['productpage-v1'] ?? '')).text();
  running.set('bare', shops.use(await startBare(Buffer.byteLength(page))));

  const results = new Map<string, { us: number; measured: Measured }[]>();
  // Warm up, then take turns, so that a slow moment of the machine hits every variant.
  for (let round = 0; round <= options.rounds; round++) {
    for (const target of TARGETS) {
      for (const variant of VARIANTS) {
        progress(round === 0 ? 'warming up' : `CPU, round ${round} of ${options.rounds}: ${target}, ${variant}`);
        const shop = running.get(variant) as Shop;
        const before = cpuOf(shop.pids);
        const measured = await load({
          url: shop.urls[target],
          connections: options.connections,
          seconds: options.seconds,
        });
        const us = (cpuOf(shop.pids) - before) / measured.requests;
        if (round > 0) append(results, `${target}/${variant}`, { us, measured });
      }
    }
  }

  table(
    [
      '',
      'CPU µs a request: bare',
      'off',
      'exporting',
      'off ÷ bare',
      'exporting ÷ off',
      'requests/s: bare',
      'off',
      'exporting',
      'p50 ms',
      'p99 ms',
    ],
    TARGETS.map((target) => {
      const of = (variant: Variant, pick: (r: { us: number; measured: Measured }) => number) =>
        median((results.get(`${target}/${variant}`) ?? []).map(pick));
      const [bare, off, exporting] = VARIANTS.map((variant) => of(variant, ({ us }) => us)) as [number, number, number];
      const rates = VARIANTS.map((variant) => of(variant, ({ measured }) => measured.perSecond).toFixed(0));
      const latency = [of('off', ({ measured }) => measured.p50), of('off', ({ measured }) => measured.p99)];
      return [
        target,
        bare.toFixed(0),
        off.toFixed(0),
        exporting.toFixed(0),
        (off / bare).toFixed(2),
        (exporting / off).toFixed(2),
        ...rates,
        ...latency.map(String),
      ];
    }),
  );
}

async function compareMemory(): Promise<void> {
  const rows: string[][] = [];
  for (const [variant, env] of Object.entries(environments)) {
    await using bookinfo = await startBookinfo({ workloads: SIX, env, bundles });
    const pids = bookinfo.processes.map(({ pid }) => pid);
    const url = `http://127.0.0.1:${bookinfo.ports.productpage}/productpage`;
    const row = [variant];
    let pages = 0;
    for (const total of [0, 2000, 10_000]) {
      progress(`memory, ${variant}: after ${total} pages`);
      if (total > 0) await load({ url, connections: options.connections, requests: total - pages });
      pages = total;
      await sleep(1000);
      row.push(memoryOf(pids).toFixed(0));
    }
    rows.push([
      ...row,
      bookinfo.processes.map(({ pid, workload }) => `${workload.name} ${memoryOf([pid]).toFixed(0)}`).join(', '),
    ]);
  }
  table(['MB of the six workloads', 'idle', 'after 2000 pages', 'after 10,000', 'each at the end'], rows);
}

/** From the first spawn until all six listen. */
async function compareStarts(): Promise<void> {
  const rows: string[][] = [];
  for (const [cache, disabled] of [
    ['compile cache', {}],
    ['no compile cache, as in a fresh container', { NODE_DISABLE_COMPILE_CACHE: '1' }],
  ] as const) {
    for (const [variant, env] of Object.entries(environments)) {
      const seconds: number[] = [];
      for (let round = 0; round <= options.rounds; round++) {
        progress(`start, ${variant}, ${cache}: ${round} of ${options.rounds}`);
        const start = performance.now();
        await using _ = await startBookinfo({ workloads: SIX, env: { ...env, ...disabled }, bundles });
        // The first one fills the cache.
        if (round > 0) seconds.push((performance.now() - start) / 1000);
      }
      rows.push([`${variant}, ${cache}`, median(seconds).toFixed(2)]);
    }
  }
  table(['start of all six until ready', 'seconds'], rows);
}

async function compareIdling(): Promise<void> {
  const SECONDS = 20;
  const rows: string[][] = [];
  for (const [variant, env] of Object.entries(environments)) {
    await using bookinfo = await startBookinfo({ workloads: SIX, env, bundles });
    const pids = bookinfo.processes.map(({ pid }) => pid);
    progress(`idle, ${variant}`);
    await sleep(2000);
    const [wakeUps, cpu] = [wakeUpsOf(pids), cpuOf(pids)];
    await sleep(SECONDS * 1000);
    const perMinute = 60 / SECONDS;
    rows.push([
      variant,
      ((wakeUpsOf(pids) - wakeUps) * perMinute).toFixed(0),
      (((cpuOf(pids) - cpu) * perMinute) / 1e6).toFixed(2),
    ]);
  }
  table(['idle, all six', 'wake-ups a minute', 'CPU s a minute'], rows);
}

/** Latency of the page while more and more of it is asked for, up to one and a half times of what it can bear. */
async function findSaturation(): Promise<void> {
  const lines: Line[] = [];
  const rows: string[][] = [];
  for (const [variant, color] of [
    ['off', '#0b6e4f'],
    ['exporting', '#b5179e'],
  ] as const) {
    await using shop = await startShop(environments[variant]);
    const url = shop.urls['productpage-v1'];
    const { connections, seconds } = options;
    await load({ url, connections, seconds });
    const most = (await load({ url, connections, seconds })).perSecond;
    const points: { rate: number; measured: Measured }[] = [];
    for (const share of [0.2, 0.4, 0.6, 0.75, 0.9, 1, 1.2, 1.5]) {
      progress(`saturation, ${variant}: ${share} of ${most.toFixed(0)} pages/s`);
      const rate = share * most;
      points.push({ rate, measured: await offer(url, rate, seconds * 2) });
      await sleep(500);
    }
    for (const { rate, measured } of points) {
      rows.push([variant, rate.toFixed(0), measured.perSecond.toFixed(0), String(measured.p50), String(measured.p99)]);
    }
    lines.push({ label: `p99, ${variant}`, color, points: points.map(({ rate, measured }) => [rate, measured.p99]) });
  }
  table(['page', 'offered pages/s', 'answered with 200', 'p50 ms', 'p99 ms'], rows);
  save('latency.svg', plot('Latency of the page over offered load', 'offered pages/s', 'ms', lines));
}

/** More connections at once than it can serve, and beside them a probe ten times a second: who is answered, and when. */
async function compareCrowds(): Promise<void> {
  await using shop = await startShop(environments.off);
  const url = shop.urls['productpage-v1'];
  await load({ url, connections: options.connections, seconds: options.seconds });
  const rows: string[][] = [];
  for (const connections of [options.connections, 100, 1000]) {
    progress(`overload: ${connections} connections`);
    const crowded = crowd({ url, connections, seconds: options.seconds * 3 });
    const probes: number[] = [];
    let unanswered = 0;
    while ((await Promise.race([crowded.then(() => 'over'), sleep(100)])) !== 'over') {
      const asked = performance.now();
      const healthy = await fetch(new URL('/health/live', url)).then(
        ({ ok }) => ok,
        () => false,
      );
      if (healthy) probes.push(performance.now() - asked);
      else unanswered++;
    }
    const { requests, perSecond, refused, broken, p50, p99, longest } = await crowded;
    rows.push(
      [
        ...[connections, perSecond.toFixed(0), `${((100 * refused) / (requests + refused)).toFixed(0)} %`, broken],
        ...[p50, p99, longest, `${probes.length} of ${probes.length + unanswered}`, Math.max(...probes).toFixed(0)],
      ].map(String),
    );
  }
  table(
    [
      'connections',
      'pages/s',
      'refused',
      'broken',
      'p50 ms',
      'p99 ms',
      'longest ms',
      'probes answered',
      'slowest probe ms',
    ],
    rows,
  );
}

async function soak(minutes: number): Promise<void> {
  await using bookinfo = await startBookinfo({ workloads: SIX, env: EXPORTING, bundles });
  const pids = bookinfo.processes.map(({ pid }) => pid);
  const url = `http://127.0.0.1:${bookinfo.ports.productpage}/productpage`;
  const { connections, seconds } = options;
  progress('looking for saturation');
  await load({ url, connections, seconds });
  const rate = (await load({ url, connections, seconds })).perSecond / 2;
  const start = performance.now();
  const points: [number, number][] = [];
  const loading = offer(url, rate, minutes * 60);
  for (;;) {
    const elapsed = (performance.now() - start) / 60_000;
    points.push([elapsed, memoryOf(pids)]);
    progress(
      `${elapsed.toFixed(1)} of ${minutes} minutes at ${rate.toFixed(0)} pages/s: ${points.at(-1)?.[1].toFixed(0)} MB`,
    );
    const over = await Promise.race([loading.then(() => true), sleep(5000, false)]);
    if (over) break;
  }
  const { requests, p99 } = await loading;
  const at = (share: number) => points[Math.floor(share * (points.length - 1))]?.[1].toFixed(0) ?? '';
  table(
    [
      'MB of the six workloads, exporting',
      'at the start',
      'a quarter',
      'half',
      'three quarters',
      'at the end',
      'pages',
      'pages/s',
      'p99 ms',
    ],
    [[`${minutes} minutes`, ...[0, 0.25, 0.5, 0.75, 1].map(at), String(requests), rate.toFixed(0), String(p99)]],
  );
  save(
    'soak.svg',
    plot(`Memory at ${rate.toFixed(0)} pages/s, half of saturation`, 'minutes', 'MB', [
      { label: 'six workloads, exporting', color: '#0b6e4f', points },
    ]),
  );
}

/**
 * One version of each service, each at a port of its own that the others know: what plays the Kubernetes Service runs
 * in this process, and would take CPU from them.
 */
async function startShop(env: Record<string, string>): Promise<Shop> {
  const measured = await Promise.all(
    workloads(...TARGETS).map(async (workload) => ({ workload, port: await freePort() })),
  );
  const bookinfo = await startBookinfo({
    workloads: measured.map(({ workload, port }) => ({ ...workload, env: { ...workload.env, PORT: String(port) } })),
    bundles,
    env: Object.assign({}, env, ...measured.map(({ workload, port }) => backendAt(workload.service, port))),
  });
  const portOf = (target: Target) => bookinfo.processes.find(({ workload }) => workload.name === target)?.port;
  return {
    urls: urlsOf((target) => portOf(target) ?? 0),
    pids: bookinfo.processes.map(({ pid }) => pid),
    [Symbol.asyncDispose]: () => bookinfo[Symbol.asyncDispose](),
  };
}

async function startBare(pageBytes: number): Promise<Shop> {
  const ports = Object.fromEntries(await Promise.all(SERVICES.map(async (service) => [service, await freePort()])));
  const env = Object.assign(
    { PAGE_BYTES: String(pageBytes) },
    ...SERVICES.map((service) => backendAt(service, ports[service])),
  );
  const children = await Promise.all(
    SERVICES.map((service) => startScript('bare.ts', service, { ...env, PORT: String(ports[service]) })),
  );
  return {
    urls: urlsOf((target) => ports[workloads(target)[0]?.service as Service]),
    pids: children.map(({ pid }) => pid),
    [Symbol.asyncDispose]: async () => {
      for (const child of children) child.kill();
    },
  };
}

/** Takes what comes and looks at nothing; in a process of its own, as a collector is. */
async function startCollector() {
  const port = await freePort();
  return { port, ...(await startScript('collector.ts', '', { PORT: String(port) })) };
}

/** Starts a script of this folder and waits until it has said something. */
async function startScript(script: string, argument: string, env: Record<string, string>) {
  const path = fileURLToPath(new URL(script, import.meta.url));
  const child = spawn(process.execPath, [path, argument], { env, stdio: ['ignore', 'pipe', 'inherit'] });
  process.once('exit', () => child.kill());
  await once(child.stdout, 'data');
  return { pid: child.pid ?? 0, kill: () => child.kill() };
}

function urlsOf(portOf: (target: Target) => number): Record<Target, string> {
  return Object.fromEntries(TARGETS.map((t) => [t, `http://127.0.0.1:${portOf(t)}${PATHS[t]}`])) as Record<
    Target,
    string
  >;
}

function append<T>(lists: Map<string, T[]>, key: string, value: T): void {
  lists.set(key, [...(lists.get(key) ?? []), value]);
}

function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

function table(head: string[], rows: string[][]): void {
  progress('');
  const line = (cells: string[]) => `| ${cells.join(' | ')} |`;
  console.log([line(head), line(head.map((_, i) => (i === 0 ? '---' : '---:'))), ...rows.map(line), ''].join('\n'));
}

function save(name: string, svg: string): void {
  mkdirSync(options.out, { recursive: true });
  writeFileSync(`${options.out}/${name}`, svg);
  console.log(`${options.out}/${name}\n`);
}

function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
}

function readOptions() {
  try {
    const { values } = parseArgs({
      options: {
        only: { type: 'string', default: PARTS.join(',') },
        sources: { type: 'boolean', default: false },
        soak: { type: 'string' },
        seconds: { type: 'string', default: '3' },
        rounds: { type: 'string', default: '5' },
        connections: { type: 'string', default: '16' },
        out: { type: 'string', default: 'bench/results' },
        help: { type: 'boolean', default: false },
      },
    });
    if (values.help) {
      console.log(USAGE);
      process.exit(0);
    }
    const whole = (name: 'seconds' | 'rounds' | 'connections' | 'soak', max: number) => {
      const value = Number(values[name]);
      if (!Number.isInteger(value) || value < 1 || value > max)
        throw new Error(`--${name}: a whole number from 1 to ${max}`);
      return value;
    };
    const only = values.only.split(',');
    const unknown = only.find((part) => !PARTS.some((p) => p === part));
    if (unknown !== undefined) throw new Error(`--only ${unknown}: expected some of ${PARTS.join(', ')}`);
    return {
      only,
      sources: values.sources,
      out: values.out,
      soak: values.soak === undefined ? undefined : whole('soak', 1440),
      seconds: whole('seconds', 60),
      rounds: whole('rounds', 50),
      connections: whole('connections', 1000),
    };
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : error}\n\n${USAGE}`);
    process.exit(2);
  }
}
