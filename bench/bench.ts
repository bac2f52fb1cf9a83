/**
 * What telemetry costs: throughput and latency of each service with telemetry off, on, and exporting, as ratios in
 * one run on loopback; and how long a service takes until it is ready.
 */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { parseArgs } from 'node:util';
import autocannon from 'autocannon';
import { type ServiceProcess, startService } from '../local/process.ts';
import type { Service } from '../local/workloads.ts';

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

interface Shop {
  /** What is asked of each service. */
  urls: Record<string, string>;
  stop(): Promise<void>;
}

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
const shops = new Map<string, Shop>();
for (const [mode, env] of Object.entries(MODES)) {
  const otel = mode === 'telemetry off' ? {} : { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, ...env };
  shops.set(mode, await openShop(otel));
}
const targets = Object.keys([...shops.values()][0]?.urls ?? {});
const results = new Map<string, Measured[]>();

// Warm up, then take turns, so that a slow moment of the machine hits every mode.
for (const shop of shops.values()) for (const url of Object.values(shop.urls)) await load(url, 1);
for (let round = 1; round <= options.rounds; round++) {
  for (const target of targets) {
    for (const [mode, shop] of shops) {
      progress(`round ${round} of ${options.rounds}: ${target}, ${mode}`);
      const key = `${target}/${mode}`;
      results.set(key, [...(results.get(key) ?? []), await load(shop.urls[target] ?? '', options.seconds)]);
    }
  }
}
for (const shop of shops.values()) await shop.stop();
progress('');

console.log('| service | telemetry | requests/s | ratio | p50 ms | p99 ms |\n|---|---|---:|---:|---:|---:|');
for (const target of targets) {
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

async function openShop(otel: Record<string, string>): Promise<Shop> {
  const running: ServiceProcess[] = [];
  const start = async (service: Service, env: Record<string, string> = {}) => {
    const process = await startService(service, { env: { ...otel, ...env } });
    running.push(process);
    return process.port;
  };
  const at = (service: Service, port: number) => ({
    [`${service.toUpperCase()}_HOSTNAME`]: '127.0.0.1',
    [`${service.toUpperCase()}_SERVICE_PORT`]: String(port),
  });
  const ratings = await start('ratings');
  const details = await start('details');
  const v3 = { ENABLE_RATINGS: 'true', STAR_COLOR: 'red', ...at('ratings', ratings) };
  const reviews = await start('reviews', v3);
  const productpage = await start('productpage', { ...at('details', details), ...at('reviews', reviews) });
  return {
    urls: {
      ratings: `http://127.0.0.1:${ratings}/ratings/0`,
      details: `http://127.0.0.1:${details}/details/0`,
      'reviews v3': `http://127.0.0.1:${reviews}/reviews/0`,
      productpage: `http://127.0.0.1:${productpage}/productpage`,
    },
    stop: async () => {
      for (const process of running) process.kill('SIGTERM');
      await Promise.all(running.map(({ exit }) => exit));
    },
  };
}

async function load(url: string, seconds: number): Promise<Measured> {
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
