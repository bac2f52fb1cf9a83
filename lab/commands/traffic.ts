/** Bounded load, what comes of it, and whether the split is that of the weights. */
import { setTimeout as sleep } from 'node:timers/promises';
import { styleText } from 'node:util';
import { Command, InvalidArgumentError } from '@commander-js/extra-typings';
import { expectedSplit } from '../checks.ts';
import { readHeader } from '../header.ts';
import { connect } from '../kubectl.ts';
import { Obstacle } from '../obstacle.ts';
import { DOUBT, fit } from '../shares.ts';
import { Shop } from '../shop.ts';
import { type Counts, count, listed, type Page, reviewsPod, reviewsVersion, status, Visitor } from '../visitor.ts';

/** Of a page that takes 30 s and asks several times: so many at once, and no more. */
const MOST_AT_ONCE = 64;

export const traffic = new Command('traffic')
  .summary('load, who answers it, and whether the split is that of the weights')
  .description('Asks for pages at a steady rate, and says who has answered, how, and how fast.')
  .option('-r, --rate <n>', 'pages a second, up to 200', numberUpTo(200), 10)
  .option('-d, --duration <seconds>', 'how long, up to 3600; Ctrl-C ends it earlier', numberUpTo(3600), 30)
  .option('--user <name>', 'signs in first')
  .option('-H, --header <line>', '"name: value", as curl takes it; may be given several times', readHeader, {})
  .option(
    '--url <url>',
    'where the page is, without a cluster: default http://localhost:9080, of npx pnpm@12 start',
    readUrl,
  )
  .option('--context <name>', 'of kubectl, instead of the current one')
  .option('--json', 'for programs')
  .addHelpText(
    'after',
    `
The weights are those that the cluster has now, in VirtualServices or HTTPRoutes. The split of the pages is compared
with them exactly; less likely than 1 in ${1 / DOUBT}, it does not fit.
Exit code 1: it does not fit, or not one page came.`,
  )
  .action(async ({ rate, duration, user, header: headers, url, context, json }) => {
    const target = await findTarget(url, context);
    const cookie = user === undefined ? {} : await target.visitor.signIn(user);
    const weights = target.shop && expectedSplit(target.shop, { headers, ...(user !== undefined && { user }) });
    const whom = `${target.visitor.url}/productpage${user === undefined ? '' : ` as ${user}`}`;
    if (!json) console.log(`${rate} pages a second for ${duration} s from ${whom}; Ctrl-C ends it`);
    const { pages, seconds } = await load(target.visitor, { ...headers, ...cookie }, rate, duration, json !== true);
    const result = summarize(pages, seconds, weights);
    if (json) console.log(JSON.stringify(result));
    else print(result);
    if (result.fits === false || (result.answers[200] ?? 0) === 0) process.exitCode = 1;
  });

function numberUpTo(most: number) {
  return (word: string): number => {
    const value = Number(word);
    if (word.trim() !== '' && value > 0 && value <= most) return value;
    throw new InvalidArgumentError(`It is a number from above 0 to ${most}.`);
  };
}

function readUrl(word: string): string {
  const url = URL.parse(word);
  if (url && /^https?:$/.test(url.protocol)) return url.origin;
  throw new InvalidArgumentError('It is a URL, such as http://localhost:9080.');
}

interface Target {
  visitor: Visitor;
  /** Of a cluster. */
  shop?: Shop;
}

const START = 'http://localhost:9080';

/** The cluster's gateway; without a cluster what `npx pnpm@12 start` runs. */
async function findTarget(url: string | undefined, context: string | undefined): Promise<Target> {
  if (url !== undefined) return { visitor: new Visitor(url) };
  let obstacle: Obstacle;
  try {
    const shop = await Shop.open(await connect({ context }));
    return { visitor: shop.visitor, shop };
  } catch (error) {
    if (!(error instanceof Obstacle)) throw error;
    obstacle = error;
  }
  const visitor = new Visitor(START);
  if (context === undefined && (await visitor.get({ path: '/health' })).status === 200) return { visitor };
  throw obstacle;
}

interface Loaded {
  pages: Page[];
  seconds: number;
}

/** Sends a page when its time has come, whether or not those before have been answered, until it is over or Ctrl-C. */
async function load(
  visitor: Visitor,
  headers: Record<string, string>,
  rate: number,
  duration: number,
  progress: boolean,
): Promise<Loaded> {
  const pages: Page[] = [];
  const flying = new Set<Promise<void>>();
  const interrupted = new AbortController();
  const { signal } = interrupted;
  const stop = () => interrupted.abort();
  for (const name of SIGNALS) process.once(name, stop);
  const start = performance.now();
  const elapsed = () => (performance.now() - start) / 1000;
  const reporter = progress ? reportOf(pages, elapsed) : undefined;
  const send = async () => {
    const page = await visitor.get({ headers, signal });
    if (!signal.aborted) pages.push(page);
  };
  for (let sent = 0; sent < rate * duration && !signal.aborted; sent++) {
    await sleep(Math.max(0, (sent / rate - elapsed()) * 1000), undefined, { signal }).catch(() => undefined);
    if (flying.size >= MOST_AT_ONCE) await Promise.race(flying);
    const one = send().finally(() => flying.delete(one));
    flying.add(one);
  }
  await Promise.all(flying);
  const seconds = elapsed();
  reporter?.();
  for (const name of SIGNALS) process.off(name, stop);
  return { pages, seconds };
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** One line that changes on a terminal, else a line every few seconds. Gives what ends it. */
function reportOf(pages: Page[], elapsed: () => number): () => void {
  const { stdout } = process;
  const line = () => {
    const versions = shares(count(pages.map(reviewsVersion)));
    return `${elapsed().toFixed(0).padStart(4)} s  ${pages.length} pages  ${versions}  ${latencies(pages)}`;
  };
  const show = stdout.isTTY
    ? () => stdout.write(`\r\x1b[2K${line().slice(0, stdout.columns - 1)}`)
    : () => console.log(line());
  const timer = setInterval(show, stdout.isTTY ? 250 : 5000);
  return () => {
    clearInterval(timer);
    if (stdout.isTTY) stdout.write('\r\x1b[2K');
  };
}

const shares = (counts: Counts): string => {
  const n = Object.values(counts).reduce((sum, it) => sum + it, 0);
  return Object.entries(counts)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([kind, hits]) => `${kind} ${hits} (${percent(hits / n)})`)
    .join(', ');
};

const percent = (share: number): string => `${(share * 100).toFixed(1)} %`;

/** The time by which this share of the pages was there, in seconds. */
function quantile(pages: Page[], share: number): number {
  const sorted = pages.map(({ seconds }) => seconds).sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0;
}

const duration = (seconds: number): string =>
  seconds < 1 ? `${Math.round(seconds * 1000)} ms` : `${seconds.toFixed(1)} s`;
const latencies = (pages: Page[]): string =>
  `half within ${duration(quantile(pages, 0.5))}, 99 % within ${duration(quantile(pages, 0.99))}`;

interface Summary {
  seconds: number;
  answers: Counts;
  /** Pages by the version of reviews on them. */
  versions: Counts;
  pods: Record<string, Counts>;
  /** In seconds. */
  latency: { half: number; most: number; slowest: number };
  /** Shares that the cluster's rules want; absent when no rule splits. */
  weights?: Counts;
  /** Probability of a split as far from the weights. */
  p?: number;
  fits?: boolean;
}

function summarize(pages: Page[], seconds: number, weights: Counts | undefined): Summary {
  const served = pages.filter((it) => reviewsPod(it));
  const versions = count(served.map(reviewsVersion));
  const byVersion = Map.groupBy(served, reviewsVersion);
  const pods = [...byVersion].map(([version, own]) => [version, count(own.map((it) => reviewsPod(it) ?? ''))] as const);
  const p = weights && served.length > 0 ? fit(versions, weights) : undefined;
  return {
    seconds,
    answers: count(pages.map(status)),
    versions: served.length < pages.length ? { ...versions, none: pages.length - served.length } : versions,
    pods: Object.fromEntries(pods),
    latency: { half: quantile(pages, 0.5), most: quantile(pages, 0.99), slowest: quantile(pages, 1) },
    ...(weights && { weights }),
    ...(p !== undefined && { p, fits: p >= DOUBT }),
  };
}

function print({ seconds, answers, versions, pods, latency, weights, p, fits }: Summary): void {
  const n = Object.values(answers).reduce((sum, it) => sum + it, 0);
  console.log(`${n} pages in ${seconds.toFixed(1)} s\n`);
  if (n === 0) return;
  console.log(`answers   ${listed(answers)}`);
  const kinds = [...new Set([...Object.keys(versions), ...Object.keys(weights ?? {})])].sort();
  for (const [i, kind] of kinds.entries()) {
    const hits = versions[kind] ?? 0;
    const wish = weights ? `  weight ${percent(weights[kind] ?? 0)}` : '';
    const own = Object.entries(pods[kind] ?? {}).map(([pod, pages]) => `${pod} ${pages}`);
    const row = `${kind.padEnd(5)}${String(hits).padStart(6)}  ${percent(hits / n).padStart(7)}${wish}  ${own.join(', ')}`;
    console.log(`${(i === 0 ? 'reviews' : '').padEnd(10)}${row.trimEnd()}`);
  }
  const { half, most, slowest } = latency;
  console.log(`latency   half within ${duration(half)}, 99 % within ${duration(most)}, slowest ${duration(slowest)}\n`);
  if (p === undefined) console.log('No rule splits these requests by weight: there is nothing to compare with.');
  else if (fits)
    console.log(
      `${styleText('green', 'The split fits the weights')}: one as uneven comes by chance with p = ${rounded(p)}.`,
    );
  else
    console.log(
      `${styleText('red', 'The split does not fit the weights')}: one as uneven comes by chance with p = ${rounded(p)}.`,
    );
}

const rounded = (p: number): string => (p >= 0.001 ? p.toFixed(3) : p.toExponential(1));
