/**
 * What telemetry costs: throughput and latency of each service with telemetry off, on, and exporting, as ratios in
 * one run on loopback; and how long a service takes until it is ready.
 */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { parseArgs } from 'node:util';
import autocannon from 'autocannon';
import { type Bookinfo, backendAt, startBookinfo } from '../local/bookinfo.ts';
import { freePort } from '../local/free-port.ts';
import { startService } from '../local/process.ts';
import { type WorkloadName, workloads } from '../local/workloads.ts';

const USAGE = `Usage: pnpm bench [options]

  --seconds N      of load per measurement and round (default 3)
  --rounds N       each measurement is the median of that many (default 5)
  --connections N  (default 16)`;

const options = readOptions();

/** What is compared; every ratio is against the first. */
const MODES: Record<string, Record<string, string>> = {
  'telemetry off': {},
  'on, nothing sampled': { OTEL_TRACES_SAMPLER: 'always_off' },
  'exporting 10 %': { OTEL_TRACES_SAMPLER: 'parentbased_traceidratio', OTEL_TRACES_SAMPLER_ARG: '0.1' },
  'exporting 100 %': { OTEL_TRACES_SAMPLER: 'parentbased_always_on' },
};

/** What is asked of each service. */
const PATHS = {
  'ratings-v1': '/ratings/0',
  'details-v1': '/details/0',
  'reviews-v3': '/reviews/0',
  'productpage-v1': '/productpage',
} satisfies { [name in WorkloadName]?: string };
type Target = keyof typeof PATHS;
const TARGETS = Object.keys(PATHS) as Target[];

interface Measured {
  rps: number;
  p50: number;
  p99: number;
}

// A collector that takes what comes and looks at nothing.
const collector = createServer((request, response) => request.resume().on('end', () => response.end())).listen(
  0,
  '127.0.0.1',
);
await once(collector, 'listening');
const endpoint = `http://127.0.0.1:${(collector.address() as AddressInfo).port}`;
const running = new Map<string, Bookinfo>();
for (const [mode, env] of Object.entries(MODES)) {
  const otel = mode === 'telemetry off' ? {} : { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, ...env };
  running.set(mode, await start(otel));
}
const results = new Map<string, Measured[]>();

// Warm up, then take turns, so that a slow moment of the machine hits every mode.
for (const bookinfo of running.values()) for (const target of TARGETS) await load(bookinfo, target, 1);
for (let round = 1; round <= options.rounds; round++) {
  for (const target of TARGETS) {
    for (const [mode, bookinfo] of running) {
      progress(`round ${round} of ${options.rounds}: ${target}, ${mode}`);
      const key = `${target}/${mode}`;
      results.set(key, [...(results.get(key) ?? []), await load(bookinfo, target, options.seconds)]);
    }
  }
}
for (const bookinfo of running.values()) await bookinfo[Symbol.asyncDispose]();
progress('');

console.log('| service | telemetry | requests/s | ratio | p50 ms | p99 ms |\n|---|---|---:|---:|---:|---:|');
for (const target of TARGETS) {
  const baseline = median(pick(target, 'telemetry off', 'rps'));
  for (const mode of Object.keys(MODES)) {
    const rps = median(pick(target, mode, 'rps'));
    const row = [
      target,
      mode,
      rps.toFixed(0),
      (rps / baseline).toFixed(2),
      ...(['p50', 'p99'] as const).map((p) => median(pick(target, mode, p)).toFixed(1)),
    ];
    console.log(`| ${row.join(' | ')} |`);
  }
}

console.log('\n| time to ready (productpage) | median ms |\n|---|---:|');
const starts = new Map<string, number[]>();
for (let round = 0; round < options.rounds * 2; round++) {
  for (const [name, env] of [
    ['telemetry off', {}],
    ['telemetry on', { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint }],
  ] as const) {
    progress(`start ${round + 1} of ${options.rounds * 2}, ${name}`);
    starts.set(name, [...(starts.get(name) ?? []), await timeToReady(env)]);
  }
}
progress('');
for (const [name, times] of starts) console.log(`| ${name} | ${median(times).toFixed(0)} |`);
collector.close();
collector.closeAllConnections();

/**
 * One version of each service, each at a port of its own that the others know: what plays the Kubernetes Service runs
 * in this process, and would be measured along.
 */
async function start(otel: Record<string, string>): Promise<Bookinfo> {
  const measured = await Promise.all(
    workloads(...TARGETS).map(async (workload) => ({ workload, port: await freePort() })),
  );
  return startBookinfo({
    workloads: measured.map(({ workload, port }) => ({ ...workload, env: { ...workload.env, PORT: String(port) } })),
    env: Object.assign({}, otel, ...measured.map(({ workload, port }) => backendAt(workload.service, port))),
  });
}

async function load({ processes }: Bookinfo, target: Target, seconds: number): Promise<Measured> {
  const url = `http://127.0.0.1:${processes.find(({ workload }) => workload.name === target)?.port}${PATHS[target]}`;
  const result = await autocannon({ url, connections: options.connections, duration: seconds });
  if (result.non2xx > 0 || result.errors > 0)
    throw new Error(`${url}: ${result.non2xx} bad answers, ${result.errors} errors`);
  return { rps: result.requests.average, p50: result.latency.p50, p99: result.latency.p99 };
}

async function timeToReady(env: Record<string, string>): Promise<number> {
  const start = performance.now();
  const process = await startService('productpage', { env });
  const elapsed = performance.now() - start;
  process.kill('SIGTERM');
  await process.exit;
  return elapsed;
}

function pick(target: string, mode: string, field: keyof Measured): number[] {
  return (results.get(`${target}/${mode}`) ?? []).map((measured) => measured[field]);
}

function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
}

function readOptions() {
  try {
    const { values } = parseArgs({
      options: {
        seconds: { type: 'string', default: '3' },
        rounds: { type: 'string', default: '5' },
        connections: { type: 'string', default: '16' },
        help: { type: 'boolean', default: false },
      },
    });
    if (values.help) {
      console.log(USAGE);
      process.exit(0);
    }
    const whole = (name: 'seconds' | 'rounds' | 'connections', max: number) => {
      const value = Number(values[name]);
      if (!Number.isInteger(value) || value < 1 || value > max)
        throw new Error(`--${name}: a whole number from 1 to ${max}`);
      return value;
    };
    return { seconds: whole('seconds', 60), rounds: whole('rounds', 50), connections: whole('connections', 1000) };
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : error}\n\n${USAGE}`);
    process.exit(2);
  }
}
