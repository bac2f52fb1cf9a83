import { execFile } from 'node:child_process';
import { createRequire } from 'node:module';
import { promisify } from 'node:util';

export interface Load {
  url: string;
  connections: number;
  /** For so long, or for so many requests. */
  seconds?: number;
  requests?: number;
  /** Requests per second that are offered, whatever is answered; without it as many as are answered. */
  rate?: number;
}

export interface Measured {
  requests: number;
  perSecond: number;
  p50: number;
  p99: number;
}

const AUTOCANNON = createRequire(import.meta.url).resolve('autocannon');

/**
 * Loads one URL from a process of its own: what it costs is not counted. With a rate, latency counts from when a request
 * was due, not from when there was a connection for it.
 * @throws {Error} when an answer is not a good one; `tolerant` lets refusals of an overload pass
 */
export async function load({ url, connections, seconds, requests, rate }: Load, tolerant = false): Promise<Measured> {
  const args = ['--json', '--no-progress', '--connections', String(connections)];
  if (seconds) args.push('--duration', String(seconds));
  if (requests) args.push('--amount', String(requests));
  if (rate) args.push('--overallRate', String(Math.round(rate)));
  const { stdout } = await promisify(execFile)(process.execPath, [AUTOCANNON, ...args, url], { maxBuffer: 1e8 });
  const result = JSON.parse(stdout);
  if (!tolerant && result.non2xx + result.errors > 0) {
    throw new Error(`${url}: ${result.non2xx} bad answers, ${result.errors} errors`);
  }
  return {
    requests: result['2xx'],
    perSecond: result['2xx'] / result.duration,
    p50: result.latency.p50,
    p99: result.latency.p99,
  };
}
