import { setTimeout as sleep } from 'node:timers/promises';

export const counts = { passed: 0, failed: 0, skipped: 0 };

/** Thrown by a lesson that this cluster cannot show. */
export class Skip extends Error {}

export function record(outcome: keyof typeof counts, what: string): void {
  counts[outcome]++;
  console.log(`  ${outcome.padEnd(7)} ${what}`);
}

export const check = (ok: boolean, what: string): void => record(ok ? 'passed' : 'failed', what);

/** Tries until it gives what is wanted, for configuration takes a moment to arrive. The last try is the answer. */
export async function eventually<T>(
  attempt: () => Promise<T>,
  wanted: (result: T) => boolean,
  seconds = 60,
): Promise<T> {
  for (const until = Date.now() + seconds * 1000; ; await sleep(500)) {
    const result = await attempt();
    if (wanted(result) || Date.now() > until) return result;
  }
}

/** Whether `hits` of `n` may be chance for a share: both tails of the binomial distribution are above 1 in 10 000. */
export function plausible(hits: number, n: number, share: number): boolean {
  // From the thin end: 0.05 ** 300 is 0 to a computer.
  if (share > 0.5) return plausible(n - hits, n, 1 - share);
  let term = (1 - share) ** n;
  let below = 0;
  for (let k = 0; k < hits; k++) {
    below += term;
    term *= ((n - k) / (k + 1)) * (share / (1 - share));
  }
  return below + term > 1e-4 && 1 - below > 1e-4;
}
