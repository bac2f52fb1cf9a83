/** Whether counts fit shares. Exact: nothing is approximated by a bell curve, which is wrong for 5 % of few. */

/** Below it chance is no explanation any more: of ten thousand right splits one is called wrong. */
export const DOUBT = 1e-4;

/** The probability (0 to 1) of a count as unlikely as `hits` of `n`, or unlikelier, when each hits with probability `share`. */
export function binomial(hits: number, n: number, share: number): number {
  if (share <= 0) return hits === 0 ? 1 : 0;
  if (share >= 1) return hits === n ? 1 : 0;
  // Every probability relative to the likeliest one, from there outwards: no factorial, and what is 0 to a computer is far off.
  const mode = Math.min(n, Math.floor((n + 1) * share));
  const odds = share / (1 - share);
  const weights = new Float64Array(n + 1);
  weights[mode] = 1;
  for (let k = mode; k < n; k++) weights[k + 1] = (weights[k] ?? 0) * ((n - k) / (k + 1)) * odds;
  for (let k = mode; k > 0; k--) weights[k - 1] = ((weights[k] ?? 0) * k) / (n - k + 1) / odds;
  // Equally likely counts on the two sides differ by rounding.
  const limit = (weights[hits] ?? 0) * (1 + 1e-9);
  let [all, unlikely] = [0, 0];
  for (const weight of weights) {
    all += weight;
    if (weight <= limit) unlikely += weight;
  }
  return unlikely / all;
}

/**
 * The probability of counts as far from the shares (which sum up to 1) as these: the worst of the exact tests of each kind
 * alone, times their number, which is never too small. A kind without a share must not occur. 1 for no counts.
 */
export function fit(counts: Record<string, number>, shares: Record<string, number>): number {
  const kinds = [...new Set([...Object.keys(counts), ...Object.keys(shares)])];
  const n = Object.values(counts).reduce((sum, count) => sum + count, 0);
  const worst = Math.min(1, ...kinds.map((kind) => binomial(counts[kind] ?? 0, n, shares[kind] ?? 0)));
  // Of two kinds the second count is the rest of the first: one test.
  return Math.min(1, worst * (kinds.length === 2 ? 1 : kinds.length));
}
