/** Questions to the student's cluster. Each says what it wants, and of what is otherwise why, and where to look closer. */
import { type Explanation, flat, type Outcome, type Step, troubles } from '@bookinfo/mesh';
import { Obstacle } from './obstacle.ts';
import { isReady, podsIn } from './pods.ts';
import { DOUBT, fit } from './shares.ts';
import { OUTSIDER, type Question, type Shop } from './shop.ts';
import { type Counts, content, count, type Headers, type Look, type Page, pageVersion } from './visitor.ts';

export interface Check {
  /** What should be true, in a few words. */
  wanted: string;
  /** Whether it follows from what is declared, by packages/mesh or by the objects themselves; absent: it cannot be told so. */
  declared?(shop: Shop): boolean;
  /** Asks the cluster, and changes nothing. */
  ask(shop: Shop): Promise<Finding>;
}

export interface Finding {
  ok: boolean;
  found: string;
  /** The likeliest ones, of what is not ok. */
  causes?: string[];
  /** A command. */
  look?: string;
}

/** What a cluster answers that does not let itself be asked is a finding, too. */
export async function ask(check: Check, shop: Shop): Promise<Finding> {
  try {
    return await check.ask(shop);
  } catch (error) {
    if (error instanceof Obstacle) return bad(error.problem, [], error.next);
    throw error;
  }
}

export const good = (found: string): Finding => ({ ok: true, found });
export const bad = (found: string, causes: string[], look: string): Finding => ({ ok: false, found, causes, look });

const PAGE = 'http://localhost/productpage';

/** Pages for a kind that must be the only one, and for shares; a page that takes seconds is asked for less often. */
const FEW = 12;
const MANY = 200;
const SLOW = 4;

export interface Visit {
  user?: string;
  headers?: Headers;
}

export interface Sight {
  /** What to look at: the reviews with their stars unless this says otherwise. */
  look?: typeof content | typeof pageVersion;
  /** How long the page may take. */
  seconds?: readonly [least: number, most: number];
  /** All of these and no others, in whatever shares: pods take turns, and faults are thrown like dice. */
  anyShares?: boolean;
}

/** What the model foresees, in the words of a Look. */
const FORESEEN = new Map<Look, (outcome: Outcome) => string>([
  [
    content,
    ({ status, shows }) => {
      if (status !== 200) return status === 'none' ? 'no answer' : String(status);
      const version = shows.map((it) => /^Reviews served by: reviews-(v\d+)/.exec(it)?.[1]).find(Boolean);
      const unrated = shows.includes('Ratings service is currently unavailable');
      return [
        version ?? 'no reviews',
        ...(version ? [unrated ? 'no ratings' : shows.find((it) => it.endsWith(' stars'))] : []),
        ...(shows.includes('Error fetching product details') ? ['no details'] : []),
      ].join(', ');
    },
  ],
  [
    pageVersion,
    ({ status, version }) =>
      status === 200 ? `productpage ${version}` : status === 'none' ? 'no answer' : String(status),
  ],
]);

function foresee({ outcomes }: Explanation, look: Look): Counts {
  const shares: Counts = {};
  for (const it of outcomes) {
    const kind = FORESEEN.get(look)?.(it) ?? '';
    shares[kind] = (shares[kind] ?? 0) + it.probability;
  }
  return shares;
}

const sameKinds = (a: Counts, b: Counts): boolean => Object.keys(a).sort().join() === Object.keys(b).sort().join();
const sameShares = (a: Counts, b: Counts): boolean =>
  sameKinds(a, b) && Object.entries(a).every(([kind, share]) => Math.abs(share - (b[kind] ?? 0)) < 1e-6);

const who = ({ user, headers = {} }: Visit): string =>
  [user ?? 'everybody', ...Object.entries(headers).map(([name, value]) => `with ${name}: ${value}`)].join(' ');
const percents = (shares: Counts): string =>
  Object.entries(shares)
    .map(([kind, share]) => (share === 1 ? kind : `${Number((share * 100).toFixed(1))} % ${kind}`))
    .join('; ');

/** What visitors see through the gateway: kinds of pages with their shares, which sum up to 1. */
export function page(visit: Visit, shares: Counts, sight: Sight = {}): Check {
  const { look = content, seconds, anyShares = false } = sight;
  const question = { ...visit, url: PAGE };
  const time = seconds ? `, after ${seconds[0]} to ${seconds[1]} s` : '';
  const declared = (shop: Shop): boolean => {
    const explanation = shop.explain(question);
    if (!explanation) return false;
    const foreseen = foresee(explanation, look);
    const inTime = explanation.outcomes.every((it) => !seconds || within(it.seconds, seconds));
    return inTime && (anyShares ? sameKinds(foreseen, shares) : sameShares(foreseen, shares));
  };
  return {
    wanted: `${who(visit)}: ${anyShares ? Object.keys(shares).join(' and ') : percents(shares)}${time}`,
    declared,
    async ask(shop) {
      const cookie = visit.user === undefined ? {} : await shop.session(visit.user);
      const n = seconds ? SLOW : Object.keys(shares).length > 1 ? MANY : FEW;
      const pages = await shop.visitor.ask(n, { headers: { ...visit.headers, ...cookie } });
      const counts = count(pages.map(look));
      const late = seconds && pages.find((it) => !within(it.seconds, seconds));
      const told = withoutStrays(counts, shares, n);
      const fits = anyShares ? sameKinds(told, shares) : fit(told, shares) > DOUBT;
      const took = late ? `, one after ${late.seconds.toFixed(1)} s` : '';
      const found = `${counted(counts, n)}${took}`;
      if (fits && !late) return good(found);
      const causes = declared(shop) ? await notThere(shop, pages) : whyPage(shop, question, look);
      return bad(found, causes, explaining(visit));
    },
  };
}

/** The namespaces that `lab explain` must be told of for a URL. */
const placesOf = (url: string): string => (url.includes('.production') ? ' -n default -n production' : '');

/** The command that asks the model for the page of a visit. */
function explaining({ user, headers = {} }: Visit): string {
  const { host = 'localhost', ...others } = headers;
  const said = Object.entries(others).map(([name, value]) => ` --header '${name}: ${value}'`);
  const url = PAGE.replace('localhost', host);
  return `npx pnpm@12 lab explain${user ? ` --user ${user}` : ''}${said.join('')}${placesOf(url)} GET ${url}`;
}

/** Of many pages some may lack a part for want of processor, on a laptop that is busy with a mesh; that tells of no rule. */
const STRAYS = 0.02;
function withoutStrays(counts: Counts, shares: Counts, n: number): Counts {
  const strays = Object.entries(counts).filter(
    ([kind]) => !(kind in shares) && /\bno (details|reviews|ratings|answer)$/.test(kind),
  );
  const total = strays.reduce((sum, [, hits]) => sum + hits, 0);
  if (total > n * STRAYS) return counts;
  return Object.fromEntries(Object.entries(counts).filter((it) => !strays.some(([kind]) => kind === it[0])));
}

const within = (value: number, [least, most]: readonly [number, number]): boolean => value >= least && value <= most;

const counted = (counts: Counts, n: number): string =>
  Object.entries(counts)
    .map(([kind, hits]) => `${hits} of ${n} pages ${kind}`)
    .join('; ');

/** The rules are right, and yet. */
async function notThere(shop: Shop, pages: Page[]): Promise<string[]> {
  if (pages.every(({ status }) => status === 0)) return [nothingAt(shop)];
  const waiting = (await podsIn(shop.cluster, 'default')).filter((it) => !isReady(it)).map((it) => it.metadata.name);
  if (waiting.length > 0) return [`the rules are right, but not ready: ${waiting.join(', ')}`];
  return [
    'the rules are right; give them some seconds to reach every sidecar (istioctl proxy-status)',
    'or a program does not answer as it should: kubectl logs',
  ];
}

export const nothingAt = ({ visitor }: Shop): string =>
  `nothing answers at ${visitor.url} any more: a forwarded port ends with its pod`;

/** Why pages are what they are, by what is declared. */
export function whyPage(shop: Shop, question: Question, look: Look): string[] {
  const explanation = shop.explain(question);
  if (!explanation) return shop.unknown.map((it) => `the model cannot say: ${it}`);
  const reasons = explanation.outcomes.flatMap(({ status, reason }) => (status === 200 || !reason ? [] : reason));
  const found = troubles(explanation);
  if (found.length + reasons.length > 0)
    return [...(found.length > 0 ? found : reasons).slice(0, 3), ...explanation.undecided];
  const asked = flat(explanation.steps).filter(
    ({ text }) => text.startsWith('productpage-') && text.includes(' asks GET reviews:'),
  );
  const decisive = look === pageVersion ? explanation.steps : asked;
  const idle = explanation.notes.filter(isIdle);
  return [...new Set([...rules(decisive), ...explanation.undecided, ...idle])].slice(0, 4);
}

/** Of a note: a policy or a rule that holds for nobody. */
const isIdle = (note: string): boolean => note.includes(' holds for ');

/** The rules that hold on the way, with where they lead and what was passed over. */
const rules = (steps: Step[]): string[] =>
  flat(steps).flatMap(({ text, skipped, steps: inner }) => {
    if (text.startsWith('no route for ') || text.includes(' has no sidecar: ')) return [text];
    if (!text.endsWith(' matches')) return [];
    const ways = inner.filter((it) => it.text.startsWith('to ')).map((it) => `${share(it.share)}${it.text}`);
    const past = skipped
      .filter(({ reason }) => !reason.endsWith('matches first'))
      .map((it) => `not ${it.ref}: ${it.reason}`);
    return [[`${text}: ${ways.join(', ')}`, ...past].join('; ')];
  });
const share = (value: number | undefined): string =>
  value === undefined ? '' : `${Number((value * 100).toFixed(2))} % `;

/** A call from one program in the cluster to another, and the status that it is answered with, or `no answer`. */
export function call(from: string, url: string, wanted: string, method = 'GET'): Check {
  const question = { from, url: `http://${url}`, method };
  const way = `${from} ${method === 'GET' ? 'asks' : method} ${url}`;
  return {
    wanted: `${way}: ${wanted}`,
    declared: (shop) => {
      const statuses = shop
        .explain(question)
        ?.outcomes.map(({ status }) => (status === 'none' ? 'no answer' : String(status)));
      return statuses?.every((it) => it === wanted) ?? false;
    },
    async ask(shop) {
      const look =
        from === OUTSIDER
          ? 'kubectl get peerauthentications --all-namespaces'
          : `npx pnpm@12 lab explain --from ${from}${placesOf(url)} ${method} http://${url}`;
      const answer = await shop.call(question);
      if (answer === wanted) return good(answer);
      const explanation = shop.explain(question);
      const because = explanation
        ? [...troubles(explanation), ...(wanted === '403' ? allowing(explanation) : explanation.notes.filter(isIdle))]
        : shop.unknown;
      const open = explanation?.outcomes.map(({ by, status }) => `by what is declared ${by} answers ${status}`) ?? [];
      return bad(answer, because.length > 0 ? [...because] : open, look);
    },
  };
}

/** What lets somebody in who should be kept out: a rule, or that none holds where one was meant to. */
function allowing({ steps, notes }: Explanation): string[] {
  const rules = flat(steps).flatMap(({ text }) => (/ of AuthorizationPolicy \S+ allows it$/.test(text) ? [text] : []));
  return rules.length > 0 ? [...new Set(rules)] : ['no AuthorizationPolicy forbids it', ...notes.filter(isIdle)];
}

/** Something that the model is asked alone, since nobody outside can see it. `says` is what one of its sentences must contain. */
export function ruled(wanted: string, question: Question, says: RegExp, look: string): Check {
  const holds = (shop: Shop): boolean => flat(shop.explain(question)?.steps ?? []).some(({ text }) => says.test(text));
  return {
    wanted,
    declared: holds,
    ask: async (shop) =>
      holds(shop) ? good('declared') : bad('not declared', whyPage(shop, question, pageVersion), look),
  };
}

/** What everybody sees now; bad when it is not whole pages. */
export async function seen(shop: Shop): Promise<Finding> {
  const counts = await shop.visitor.tally(FEW, content);
  const whole = Object.keys(counts).every((kind) => /^v\d+, \w+ stars$/.test(kind));
  const found = counted(counts, FEW);
  const causes = whyPage(shop, { url: PAGE }, content);
  return whole ? { ...good(found), causes } : bad(found, causes, `npx pnpm@12 lab explain GET ${PAGE}`);
}

/**
 * The shares of the versions of reviews that rules of the cluster want for these visitors. Undefined where no rule splits:
 * pods that take turns keep to no weight, a busy one is asked less.
 */
export function expectedSplit(shop: Shop, visit: Visit): Counts | undefined {
  const explanation = shop.explain({ ...visit, url: PAGE });
  if (!explanation) return undefined;
  const turns = flat(explanation.steps).some((it) => it.share !== undefined && /^to reviews-[^. ]+$/.test(it.text));
  const versions: Counts = {};
  for (const [kind, probability] of Object.entries(foresee(explanation, content))) {
    const version = /^v\d+/.exec(kind)?.[0];
    if (version) versions[version] = (versions[version] ?? 0) + probability;
  }
  const total = Object.values(versions).reduce((sum, it) => sum + it, 0);
  if (turns || total === 0) return undefined;
  return Object.fromEntries(Object.entries(versions).map(([version, it]) => [version, it / total]));
}
