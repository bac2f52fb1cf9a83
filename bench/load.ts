import { execFile } from 'node:child_process';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

export interface Load {
  url: string;
  connections: number;
  /** For so long, or for so many requests. */
  seconds?: number;
  requests?: number;
}

export interface Measured {
  requests: number;
  perSecond: number;
  p50: number;
  p99: number;
}

const AUTOCANNON = createRequire(import.meta.url).resolve('autocannon');
const OPEN_LOAD = fileURLToPath(new URL('open-load.ts', import.meta.url));
const run = promisify(execFile);

/**
 * Loads one URL from a process of its own, what it costs is not counted: the next request is sent when one is answered.
 * @throws {Error} when an answer is not a good one
 */
export async function load(wanted: Load): Promise<Measured> {
  const { refused, broken, ...measured } = await crowd(wanted);
  if (refused + broken > 0) throw new Error(`${wanted.url}: ${refused} bad answers, ${broken} errors`);
  return measured;
}

/** As `load`, but counts what is not answered well instead of throwing. Milliseconds. */
export async function crowd({
  url,
  connections,
  seconds,
  requests,
}: Load): Promise<Measured & { refused: number; broken: number; longest: number }> {
  const args = ['--json', '--no-progress', '--connections', String(connections)];
  if (seconds) args.push('--duration', String(seconds));
  if (requests) args.push('--amount', String(requests));
  const { stdout } = await run(process.execPath, [AUTOCANNON, ...args, url], { maxBuffer: 1e8 });
  const result = JSON.parse(stdout);
  return {
    requests: result['2xx'],
    perSecond: result['2xx'] / result.duration,
    refused: result.non2xx,
    broken: result.errors,
    p50: result.latency.p50,
    p99: result.latency.p99,
    longest: result.latency.max,
  };
}

/** Asks for one URL so many times a second, whatever is answered, from a process of its own. Counts good answers alone. */
export async function offer(url: string, rate: number, seconds: number): Promise<Measured> {
  const { stdout } = await run(process.execPath, [OPEN_LOAD, url, String(Math.round(rate)), String(seconds)]);
  return JSON.parse(stdout);
}
