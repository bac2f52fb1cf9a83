import { isDeepStrictEqual } from 'node:util';
import type { Span } from '../../local/otlp.ts';
import { defineExercise, eventually, type FindingWords, hold, PATIENCE_MS } from '../check/exercise.ts';
import type { Fate } from '../check/link.ts';
import { openPods } from '../check/pods.ts';
import { isBelow, type Services, servicesOf } from '../check/services.ts';
import { dice, openShop, type Shop, startStored } from '../check/shop.ts';
import {
  change,
  changesDuring,
  type Event,
  FEEDBACK,
  fold,
  manyChanges,
  type Opinion,
  type Opinions,
  opinionsOf,
  READERS,
  readFeed,
} from './feedback.ts';

const STARS = 'services/stars/src/stars.ts';
const PROGRESS_FIRST = 'the progress is stored before the work is done';

export interface Context extends AsyncDisposable {
  services: Services;
  /**
   * Asks for a change while ratings takes no stars, and does `then` when it was told of it in vain, as far as that can be seen.
   * @returns who tells it
   */
  awayFromRatings(ask: () => Promise<unknown>, then?: () => Promise<void>): Promise<'feedback' | 'stars'>;
  /** Takes from stars and ratings all that they know. */
  forget(): Promise<void>;
}

export interface Offline extends Context {
  services: Shop;
}

const starsIn = (opinions: Opinions) =>
  Object.fromEntries(Object.entries(opinions).map(([reviewer, { stars }]) => [reviewer, stars]));

/** Waits until ratings says what the readers think. */
async function ratingsFollow(
  services: Services,
  productId: number,
  why: () => Omit<FindingWords, 'expected' | 'seen'>,
) {
  const given = starsIn(await opinionsOf(services, productId));
  let ratings: unknown;
  await eventually(
    async () => {
      const answer = await services.ask('ratings', `/ratings/${productId}`);
      ratings = answer.status === 200 ? (answer.json() as { ratings: unknown }).ratings : answer.text;
      return isDeepStrictEqual(ratings, given) || undefined;
    },
    () => ({
      expected: `ratings has the stars that readers gave product ${productId}: ${JSON.stringify(given)}`,
      seen: JSON.stringify(ratings),
      ...why(),
    }),
    PATIENCE_MS,
  );
}

/** Waits until ratings and stars say what the readers think. */
async function bothFollow(services: Services, productId: number, why: () => Omit<FindingWords, 'expected' | 'seen'>) {
  await ratingsFollow(services, productId, why);
  const given = Object.values(starsIn(await opinionsOf(services, productId)));
  const total = { productId, readers: given.length, stars: given.reduce((sum, it) => sum + it, 0) };
  let sums: unknown;
  await eventually(
    async () => {
      const answer = await services.ask('stars', `/stars/${productId}`);
      sums = answer.status === 200 ? answer.json() : answer.text;
      return isDeepStrictEqual(sums, total) || undefined;
    },
    () => ({
      expected: `stars of product ${productId}: ${JSON.stringify(total)}`,
      seen: JSON.stringify(sums),
      cause: 'an event that came twice was counted twice, or one was not counted',
      look: STARS,
    }),
    PATIENCE_MS,
  );
}

/** Whether each event of a book changes what its reader thought. */
function everyEventChanges(events: Event[], productId: number): void {
  for (const reader of READERS) {
    let known: Opinion | undefined;
    for (const { type, opinion, seq } of events.filter((it) => it.productId === productId && it.reviewer === reader)) {
      const fits = type === (opinion ? (known ? 'edited' : 'submitted') : known && 'withdrawn');
      hold(fits && !isDeepStrictEqual(opinion, known), {
        expected: `event ${seq} changes what ${reader} thought: ${JSON.stringify(known ?? 'nothing')}`,
        seen: `${type} ${JSON.stringify(opinion ?? '')}`,
        cause: 'a request that came twice made two events',
        look: FEEDBACK,
      });
      known = opinion;
    }
  }
}

/** Whether what readers think of a book follows from its events. */
async function followsFromEvents(services: Services, productId: number): Promise<void> {
  const events = await readFeed(services);
  const folded = fold(events, productId);
  const opinions = await opinionsOf(services, productId);
  hold(isDeepStrictEqual(opinions, folded), {
    expected: `what follows from the events: ${JSON.stringify(folded)}`,
    seen: JSON.stringify(opinions),
    look: FEEDBACK,
  });
  everyEventChanges(events, productId);
}

/** Whether stars tells ratings in the trace of the change that feedback was asked for. */
export function toldInOneTrace(spans: readonly Span[]): boolean {
  const told = spans.find(({ name, kind }) => kind === 2 && name === 'POST /ratings/{productId}');
  return isBelow(spans, 'stars', told) && servicesOf(spans).has('feedback');
}

export const begin = async (shop: Shop): Promise<void> => {
  await Promise.all([
    startStored(shop, 'feedback'),
    startStored(shop, 'stars'),
    shop.start('ratings-v1'),
    shop.start('reviews-v2'),
  ]);
};

export const contextOf = (shop: Shop): Offline => ({
  services: shop,
  async awayFromRatings(ask, then) {
    const links = [shop.link('feedback', 'ratings'), shop.link('stars', 'ratings')] as const;
    for (const link of links) {
      link.passed.length = 0;
      link.fate = () => 'refuse';
    }
    await ask();
    const told = await eventually(
      () => links.find(({ passed }) => passed.some(({ method }) => method === 'POST')),
      () => ({ expected: 'somebody tells ratings of the change', seen: 'nobody does', look: STARS }),
      PATIENCE_MS,
    );
    await then?.();
    for (const link of links) link.fate = () => 'pass';
    return told === links[0] ? 'feedback' : 'stars';
  },
  async forget() {
    await Promise.all([shop.kill('stars-v1'), shop.kill('ratings-v1')]);
    await Promise.all([startStored(shop, 'stars', {}, 'stars-again'), shop.start('ratings-v1')]);
  },
  [Symbol.asyncDispose]: () => shop[Symbol.asyncDispose](),
});

/** The same of pods. */
export const contextInCluster = (services: Services): Context => ({
  services,
  async awayFromRatings(ask, then) {
    await services.disturb('ratings', { status: 503, methods: ['POST'] }, async () => {
      await ask();
      await then?.();
    });
    // Without a feed, nobody but feedback knows of a change.
    const { status } = await services.ask('feedback', '/events?after=0');
    return status === 200 ? 'stars' : 'feedback';
  },
  // What pods keep goes with them.
  forget: () => services.without('stars-v1', () => services.without('ratings-v1', async () => {})),
  [Symbol.asyncDispose]: () => services[Symbol.asyncDispose](),
});

export const WORKLOADS = ['feedback-v1', 'stars-v1', 'ratings-v1'];

export default defineExercise<Context, Offline>({
  title: { en: 'What happened, and what follows from it', ko: '일어난 일, 그리고 거기서 나오는 것' },
  day: 1,
  minutes: 90,
  services: { feedback: { store: true }, stars: { store: true } },
  open: async (tree, { signal }) => contextOf(await openShop(tree, signal, begin)),
  openInCluster: async (_tree, { signal, cluster }) =>
    contextInCluster(await openPods(cluster, { workloads: WORKLOADS, anew: true, signal })),

  questions: [
    {
      name: 'Readers give an opinion, change it, and take it back',
      async ask({ services }) {
        const seen = async (expected: Opinions) => {
          const opinions = await opinionsOf(services, 0);
          hold(isDeepStrictEqual(opinions, expected), {
            expected: JSON.stringify(expected),
            seen: JSON.stringify(opinions),
            look: FEEDBACK,
          });
        };
        await change(services, 0, 'Reviewer1', { stars: 5, text: 'Two pairs of twins!' });
        await change(services, 0, 'Reviewer2', { stars: 4, text: 'Over in an evening.' });
        await change(services, 0, 'Reviewer1', { stars: 2, text: 'I mixed them up.' });
        await seen({
          Reviewer1: { stars: 2, text: 'I mixed them up.' },
          Reviewer2: { stars: 4, text: 'Over in an evening.' },
        });
        await change(services, 0, 'Reviewer2');
        await seen({ Reviewer1: { stars: 2, text: 'I mixed them up.' } });
      },
    },
    {
      name: 'The stars on the page follow, also when ratings was away for a while',
      hint: 1,
      async ask({ services, awayFromRatings }) {
        await ratingsFollow(services, 0, () => ({ look: STARS }));
        const teller = await awayFromRatings(() =>
          change(services, 0, 'Reviewer1', { stars: 1, text: 'I mixed them up again.' }),
        );
        await bothFollow(services, 0, () =>
          teller === 'feedback'
            ? {
                cause:
                  'the change is stored in one place and told to another: when the second fails, nobody tells it again',
                look: FEEDBACK,
              }
            : { cause: 'an event that ratings did not take is passed over', look: STARS },
        );
        const page = (await services.ask('reviews', '/reviews/0')).json() as {
          reviews: { rating?: { stars?: number } }[];
        };
        hold(page.reviews[0]?.rating?.stars === 1, {
          expected: 'one star for Reviewer1 on the page',
          seen: JSON.stringify(page.reviews[0]),
        });
      },
    },
    {
      name: 'What was true then can be asked now, and no event ever changes',
      hint: 2,
      async ask({ services }) {
        await change(services, 2, 'Reviewer1', { stars: 5, text: 'At first.' });
        const before = await readFeed(services);
        await change(services, 2, 'Reviewer1', { stars: 1, text: 'On reflection.' });
        await change(services, 2, 'Reviewer1');
        const after = await readFeed(services);
        const changed = before.find((event, i) => !isDeepStrictEqual(event, after[i]));
        hold(changed === undefined, {
          expected: `event ${changed?.seq} stays what it was: ${JSON.stringify(changed)}`,
          seen: JSON.stringify(after.find(({ seq }) => seq === changed?.seq) ?? 'gone'),
          cause: 'a change overwrites what happened before',
          look: FEEDBACK,
        });
        for (const { at } of after.filter(({ productId }) => productId === 2)) {
          const expected = fold(
            after.filter((event) => event.at <= at),
            2,
          );
          const seen = await opinionsOf(services, 2, at);
          hold(isDeepStrictEqual(seen, expected), {
            expected: `asOf=${at}: ${JSON.stringify(expected)}`,
            seen: JSON.stringify(seen),
            cause: 'asOf is not heeded',
            look: FEEDBACK,
          });
        }
      },
    },
    {
      name: 'Every change is an event, once, and what readers think follows from the events',
      hint: 2,
      offline: 'a rule of the mesh repeats no request, and loses no answer',
      async ask({ services: shop }) {
        const link = shop.link('client', 'feedback');
        const roll = dice(1);
        link.fate = ({ method }): Fate =>
          method === 'GET' ? 'pass' : ((['cut', 'repeat', 'pass', 'pass'] as const)[Math.floor(roll() * 4)] ?? 'pass');
        await manyChanges(shop, 1, 80, 1);
        link.fate = () => 'pass';
        await followsFromEvents(shop, 1);
        await bothFollow(shop, 1, () => ({ cause: 'not every page of the feed is read', look: STARS }));
      },
    },
    {
      name: 'Feedback and stars are killed in the middle of their work, and no change is lost',
      hint: 1,
      async ask({ services }) {
        await changesDuring(services, 3, async () => {
          for (const workload of ['feedback-v1', 'stars-v1', 'feedback-v1']) await services.crash(workload);
        });
        await followsFromEvents(services, 3);
        await bothFollow(services, 3, () => ({ cause: 'a change was stored, and its event was not', look: FEEDBACK }));
      },
    },
    {
      name: 'Stars is killed while ratings is away, and tells it afterwards',
      hint: 3,
      async ask({ services, awayFromRatings }) {
        await awayFromRatings(
          () => change(services, 6, 'Reviewer1', { stars: 2, text: 'Told late.' }),
          () => services.crash('stars-v1'),
        );
        await bothFollow(services, 6, () => ({ cause: PROGRESS_FIRST, look: STARS }));
      },
    },
    {
      name: 'Stars is killed before and after it tells ratings, and every event counts once',
      hint: 3,
      offline: 'no step lasts long enough to be hit from outside of its pod',
      async ask({ services: shop }) {
        for (const [fate, reader] of [
          ['refuse', 'Reviewer1'],
          ['cut', 'Reviewer2'],
        ] as const) {
          const link = shop.link('stars', 'ratings');
          const killed = Promise.withResolvers<void>();
          let told = false;
          link.fate = ({ path }) => {
            if (told) return 'refuse';
            if (path !== '/ratings/4') return 'pass';
            told = true;
            shop.kill('stars-v1').then(killed.resolve, killed.reject);
            return fate;
          };
          await change(shop, 4, reader, { stars: 3, text: fate });
          await eventually(
            () => told || undefined,
            () => ({ expected: 'ratings is told of a change', seen: 'it is not', look: STARS }),
            PATIENCE_MS,
          );
          await killed.promise;
          link.fate = () => 'pass';
          await startStored(shop, 'stars');
          await bothFollow(shop, 4, () => ({
            cause: `killed ${fate === 'cut' ? 'after' : 'before'} ratings was told: ${PROGRESS_FIRST}`,
            look: STARS,
          }));
        }
      },
    },
    {
      name: 'From the first event on again, the same comes out',
      async ask({ services, forget }) {
        const products = new Set((await readFeed(services)).map(({ productId }) => productId));
        await forget();
        for (const productId of products) {
          await bothFollow(services, productId, () => ({ cause: 'not all is in the events', look: STARS }));
        }
      },
    },
    {
      name: 'A change is one trace, from the reader to ratings',
      async ask({ services }) {
        const traceId = await change(services, 5, 'Reviewer1', { stars: 4, text: 'Traced.' });
        await services.trace(traceId, 'one trace through feedback, stars and ratings', toldInOneTrace);
      },
    },
  ],

  refused: {
    start: 'the change is stored in one place and told to another',
    wrong: {
      'skips-failures': 'an event that ratings did not take is passed over',
      'progress-first': 'the progress is stored before the work is done',
      'adds-up': 'an event that came twice was counted twice',
      'keeps-the-latest': 'an event is missing',
    },
    inCluster: {
      start: 'the change is stored in one place and told to another',
      'skips-failures': 'an event that ratings did not take is passed over',
      'progress-first': 'the progress is stored before the work is done',
      'adds-up': 'an event that came twice was counted twice',
      'keeps-the-latest': 'an event is missing',
    },
  },
});
