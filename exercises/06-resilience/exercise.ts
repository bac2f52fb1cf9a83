import { readServerTiming } from '@bookinfo/chassis';
import { defineExercise, eventually, hold } from '../check/exercise.ts';
import type { Fate, Link } from '../check/link.ts';
import { openPods } from '../check/pods.ts';
import type { Services } from '../check/services.ts';
import { openShop, type Shop } from '../check/shop.ts';

const FILE = 'services/reviews/src/resilience.ts';
/** Beyond anything that a page would wait for. */
const TOO_LATE_MS = 5000;
/** Calls per page at most, while every second one fails. */
const CALLS_PER_PAGE = 1.2;
/** Calls at most that are under way at once, whatever comes in. */
const AT_ONCE = 20;

interface Rating {
  stars?: number;
  stale?: boolean;
}

async function reviewsOf(services: Services): Promise<{ rating: Rating; calls: number }> {
  const { status, text, headers } = await services.ask('reviews', '/reviews/0');
  hold(status === 200, {
    expected: 'reviews answers 200, whatever ratings does',
    seen: `${status} ${text}`,
    look: FILE,
  });
  const [first] = (JSON.parse(text) as { reviews: { rating?: Rating }[] }).reviews;
  const calls = readServerTiming(headers.get('server-timing') ?? undefined)?.tries.length ?? 0;
  return { rating: first?.rating ?? {}, calls };
}

/** The first review's rating. */
const ratingOf = async (services: Services): Promise<Rating> => (await reviewsOf(services)).rating;

/** How often ratings was asked, by what reviews says of its calls, for so many pages. */
async function callsFor(pages: number, services: Services): Promise<number> {
  let sum = 0;
  for (let page = 0; page < pages; page++) sum += (await reviewsOf(services)).calls;
  return sum;
}

const linkOf = (shop: Shop): Link => shop.link('reviews', 'ratings');

/** Decides on every call from now on; those that went before are forgotten. */
function decide(shop: Shop, fate: (call: number) => Fate): Link {
  const link = linkOf(shop);
  link.passed.length = 0;
  link.peak = 0;
  let call = 0;
  link.fate = () => fate(call++);
  return link;
}

/** Waits until reviews knows that ratings is well. */
async function recover(services: Services): Promise<void> {
  await eventually(
    async () => {
      const { stars, stale } = await ratingOf(services);
      return stars && !stale ? stars : undefined;
    },
    () => ({
      expected: 'fresh stars, soon after ratings is well again',
      seen: 'no fresh stars for 15 s',
      cause: 'the breaker stays open, or its answers are remembered instead',
      look: FILE,
    }),
    15_000,
  );
}

export default defineExercise<Services, Shop>({
  title: { en: 'Stars of a moment ago', ko: '조금 전의 별점' },
  day: 2,
  minutes: 75,
  open: (tree, { signal }) =>
    openShop(tree, signal, async (shop) => {
      await Promise.all([shop.start('reviews-v2'), shop.start('ratings-v1')]);
    }),
  openInCluster: (_tree, { signal, cluster }) => openPods(cluster, { workloads: ['reviews-v2', 'ratings-v1'], signal }),
  questions: [
    {
      name: 'all is well: the stars are there, and fresh',
      async ask(services) {
        const seen = await ratingOf(services);
        hold(seen.stars === 5 && !seen.stale, { expected: '5 stars', seen: JSON.stringify(seen), look: FILE });
      },
    },
    {
      name: 'one answer of 503 costs no stars: there is a second try',
      hint: 1,
      offline: 'a rule of the mesh cannot choose the first of two calls',
      async ask(shop) {
        decide(shop, (call) => (call === 0 ? { status: 503 } : 'pass'));
        const seen = await ratingOf(shop);
        hold(seen.stars === 5 && !seen.stale, {
          expected: 'fresh stars, although the first call was answered 503',
          seen: JSON.stringify(seen),
          cause: 'a failure that is over at the next moment is not tried again',
          look: FILE,
        });
      },
    },
    {
      name: 'slow ratings do not keep the reader waiting',
      hint: 1,
      offline: 'whether reviews waited to the end is seen on the way between the two',
      async ask(shop) {
        const link = decide(shop, () => ({ delayMs: TOO_LATE_MS }));
        await ratingOf(shop);
        hold(!link.passed.some(({ status }) => status !== undefined), {
          expected: `reviews answers without the stars that take ${TOO_LATE_MS / 1000} s`,
          seen: 'reviews waited for them',
          cause:
            'TIMEOUT_MS is more than the page, which gives up after 3 s, can wait for: all tries together have to fit',
          look: FILE,
        });
        decide(shop, () => 'pass');
        await recover(shop);
      },
    },
    {
      name: 'without ratings there are the stars of a moment ago, marked as such',
      hint: 1,
      async ask(services) {
        const seen = await services.disturb('ratings', { status: 503 }, () => ratingOf(services));
        hold(seen.stars === 5, {
          expected: '5 stars with "stale":true while ratings is away',
          seen: JSON.stringify(seen),
          cause: 'nothing remembers what ratings said before',
          look: FILE,
        });
        hold(seen.stale === true, {
          expected: '"stale":true beside stars that are not of now',
          seen: JSON.stringify(seen),
          cause: 'a reader takes what is old for what is new',
          look: FILE,
        });
        await recover(services);
      },
    },
    {
      name: 'a ratings that fails half of the time is not asked twice as much',
      hint: 2,
      offline:
        'faults of the mesh come by chance, now and then enough in a row for the breaker, and then nobody is asked',
      async ask(shop) {
        const pages = 200;
        const link = decide(shop, (call) => (call % 2 === 0 ? { status: 503 } : 'pass'));
        for (let page = 0; page < pages; page++) await ratingOf(shop);
        const share = link.passed.length / pages;
        hold(share <= CALLS_PER_PAGE, {
          expected: `at most ${CALLS_PER_PAGE} calls for a page, on average of ${pages}`,
          seen: `${share.toFixed(2)}: what is in trouble gets more to do`,
          cause: 'every failure is tried again: tries have no budget',
          look: FILE,
        });
        decide(shop, () => 'pass');
        await recover(shop);
      },
    },
    {
      name: 'the breaker opens: a ratings that only fails is left alone',
      hint: 3,
      async ask(services) {
        const pages = 40;
        const calls = await services.disturb('ratings', { status: 503 }, async () => {
          await callsFor(20, services);
          return callsFor(pages, services);
        });
        hold(calls <= pages / 2, {
          expected: `after 20 failures hardly a call, of ${pages} pages`,
          seen: `${calls} calls`,
          cause: 'there is no breaker, or it never counts an answer of 503 as a failure',
          look: FILE,
        });
      },
    },
    { name: 'the breaker closes: fresh stars when ratings is well again', ask: recover },
    {
      name: 'a ratings that hangs does not take all hands: few calls are under way at once',
      hint: 3,
      offline: 'how many calls are under way is seen on the way between the two',
      async ask(shop) {
        const link = decide(shop, () => ({ delayMs: TOO_LATE_MS }));
        await Promise.all(Array.from({ length: 80 }, () => ratingOf(shop)));
        hold(link.peak <= AT_ONCE, {
          expected: `at most ${AT_ONCE} calls under way at once, of 80 pages`,
          seen: `${link.peak} calls at once`,
          cause: 'there is no bulkhead: what is slow fills everything with waiting',
          look: FILE,
        });
      },
    },
  ],
  refused: {
    start: 'is not tried again',
    wrong: {
      patient: 'reviews waited for them',
      unmarked: 'a reader takes what is old for what is new',
      storm: 'tries have no budget',
      'no-breaker': 'there is no breaker',
      'no-bulkhead': 'there is no bulkhead',
    },
    inCluster: {
      start: 'nothing remembers what ratings said before',
      unmarked: 'a reader takes what is old for what is new',
      'no-breaker': 'there is no breaker',
    },
  },
});
