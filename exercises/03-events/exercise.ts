import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { defineExercise, eventually, type FindingWords, hold } from '../check/exercise.ts';
import type { Fate } from '../check/link.ts';
import { servicesOf } from '../check/services.ts';
import { openShop, type Shop } from '../check/shop.ts';
import {
  change,
  dice,
  FEEDBACK,
  fold,
  manyChanges,
  type Opinion,
  type Opinions,
  opinionsOf,
  PATIENCE_MS,
  READERS,
  readFeed,
  startFeedback,
} from './feedback.ts';

const STARS = 'services/stars/src/stars.ts';

const startStars = (shop: Shop, file = 'stars') =>
  shop.start('stars-v1', { DATABASE_FILE: join(shop.folder, `${file}.db`) });

const starsIn = (opinions: Opinions) =>
  Object.fromEntries(Object.entries(opinions).map(([reviewer, { stars }]) => [reviewer, stars]));

/** Waits until ratings says what the readers think. */
async function ratingsFollow(shop: Shop, productId: number, why: () => Omit<FindingWords, 'expected' | 'seen'>) {
  const given = starsIn(await opinionsOf(shop, productId));
  let ratings: unknown;
  await eventually(
    async () => {
      const answer = await shop.ask('ratings', `/ratings/${productId}`);
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
async function bothFollow(shop: Shop, productId: number, why: () => Omit<FindingWords, 'expected' | 'seen'>) {
  await ratingsFollow(shop, productId, why);
  const given = Object.values(starsIn(await opinionsOf(shop, productId)));
  const total = { productId, readers: given.length, stars: given.reduce((sum, it) => sum + it, 0) };
  let sums: unknown;
  await eventually(
    async () => {
      sums = (await shop.ask('stars', `/stars/${productId}`)).json();
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

export const begin = async (shop: Shop): Promise<void> => {
  await Promise.all([startFeedback(shop), startStars(shop), shop.start('ratings-v1'), shop.start('reviews-v2')]);
};

export default defineExercise<Shop>({
  title: { en: 'What happened, and what follows from it', ko: '일어난 일, 그리고 거기서 나오는 것' },
  day: 1,
  minutes: 90,
  open: (tree, { signal }) => openShop(tree, signal, begin),

  questions: [
    {
      name: 'Readers give an opinion, change it, and take it back',
      async ask(shop) {
        const seen = async (expected: Opinions) => {
          const opinions = await opinionsOf(shop, 0);
          hold(isDeepStrictEqual(opinions, expected), {
            expected: JSON.stringify(expected),
            seen: JSON.stringify(opinions),
            look: FEEDBACK,
          });
        };
        await change(shop, 0, 'Reviewer1', { stars: 5, text: 'Two pairs of twins!' });
        await change(shop, 0, 'Reviewer2', { stars: 4, text: 'Over in an evening.' });
        await change(shop, 0, 'Reviewer1', { stars: 2, text: 'I mixed them up.' });
        await seen({
          Reviewer1: { stars: 2, text: 'I mixed them up.' },
          Reviewer2: { stars: 4, text: 'Over in an evening.' },
        });
        await change(shop, 0, 'Reviewer2');
        await seen({ Reviewer1: { stars: 2, text: 'I mixed them up.' } });
      },
    },
    {
      name: 'The stars on the page follow, also when ratings was away for a while',
      async ask(shop) {
        await ratingsFollow(shop, 0, () => ({ look: STARS }));
        const links = [shop.link('feedback', 'ratings'), shop.link('stars', 'ratings')];
        for (const link of links) {
          link.passed.length = 0;
          link.fate = () => 'refuse';
        }
        await change(shop, 0, 'Reviewer1', { stars: 1, text: 'I mixed them up again.' });
        const asked = () => links.find(({ passed }) => passed.some(({ method }) => method === 'POST'));
        await eventually(
          () => asked(),
          () => ({ expected: 'somebody tells ratings of the change', seen: 'nobody does', look: STARS }),
          PATIENCE_MS,
        );
        for (const link of links) link.fate = () => 'pass';
        await bothFollow(shop, 0, () =>
          asked() === links[0]
            ? {
                cause:
                  'the change is stored in one place and told to another: when the second fails, nobody tells it again',
                look: FEEDBACK,
              }
            : { cause: 'an event that ratings did not take is passed over', look: STARS },
        );
        const page = (await shop.ask('reviews', '/reviews/0')).json() as { reviews: { rating?: { stars?: number } }[] };
        hold(page.reviews[0]?.rating?.stars === 1, {
          expected: 'one star for Reviewer1 on the page',
          seen: JSON.stringify(page.reviews[0]),
        });
      },
    },
    {
      name: 'What was true then can be asked now, and no event ever changes',
      async ask(shop) {
        await change(shop, 2, 'Reviewer1', { stars: 5, text: 'At first.' });
        const before = await readFeed(shop);
        await change(shop, 2, 'Reviewer1', { stars: 1, text: 'On reflection.' });
        await change(shop, 2, 'Reviewer1');
        const after = await readFeed(shop);
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
          const seen = await opinionsOf(shop, 2, at);
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
      async ask(shop) {
        const link = shop.link('client', 'feedback');
        const roll = dice(1);
        link.fate = ({ method }): Fate =>
          method === 'GET' ? 'pass' : ((['cut', 'repeat', 'pass', 'pass'] as const)[roll(4)] ?? 'pass');
        await manyChanges(shop, 1, 80, 1);
        link.fate = () => 'pass';
        const events = await readFeed(shop);
        const opinions = await opinionsOf(shop, 1);
        const folded = fold(events, 1);
        hold(isDeepStrictEqual(opinions, folded), {
          expected: `what follows from the events: ${JSON.stringify(folded)}`,
          seen: JSON.stringify(opinions),
          look: FEEDBACK,
        });
        for (const reader of READERS) {
          let known: Opinion | undefined;
          for (const { type, opinion, seq } of events.filter((it) => it.productId === 1 && it.reviewer === reader)) {
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
        await bothFollow(shop, 1, () => ({ cause: 'not every page of the feed is read', look: STARS }));
      },
    },
    {
      name: 'Feedback is killed in the middle of its work, and no change is lost',
      async ask(shop) {
        const changes = manyChanges(shop, 3, 80, 5);
        // Awaited below; until then a failure is nobody's.
        changes.catch(() => {});
        for (const enough of [10, 20]) {
          const { passed } = shop.link('client', 'feedback');
          passed.length = 0;
          await eventually(
            () => passed.filter(({ status }) => status === 200).length >= enough || undefined,
            () => ({ expected: 'feedback takes changes', seen: 'it does not', look: FEEDBACK }),
            PATIENCE_MS,
          );
          await shop.kill('feedback-v1');
          await startFeedback(shop);
        }
        await changes;
        const folded = fold(await readFeed(shop), 3);
        const opinions = await opinionsOf(shop, 3);
        hold(isDeepStrictEqual(opinions, folded), {
          expected: `what follows from the events: ${JSON.stringify(folded)}`,
          seen: JSON.stringify(opinions),
          look: FEEDBACK,
        });
        await bothFollow(shop, 3, () => ({ cause: 'a change was stored, and its event was not', look: FEEDBACK }));
      },
    },
    {
      name: 'Stars is killed before and after it tells ratings, and every event counts once',
      async ask(shop) {
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
          await startStars(shop);
          await bothFollow(shop, 4, () => ({
            cause: `killed ${fate === 'cut' ? 'after' : 'before'} ratings was told: the progress is stored before the work is done`,
            look: STARS,
          }));
        }
      },
    },
    {
      name: 'From the first event on again, the same comes out',
      async ask(shop) {
        await Promise.all([shop.kill('stars-v1'), shop.kill('ratings-v1')]);
        await Promise.all([startStars(shop, 'stars-again'), shop.start('ratings-v1')]);
        for (const productId of [0, 1, 2, 3, 4]) {
          await bothFollow(shop, productId, () => ({ cause: 'not all is in the events', look: STARS }));
        }
      },
    },
    {
      name: 'A change is one trace, from the reader to ratings',
      async ask(shop) {
        const traceId = await change(shop, 5, 'Reviewer1', { stars: 4, text: 'Traced.' });
        await shop.trace(traceId, 'one trace through feedback, stars and ratings', (spans) => {
          const told = spans.find(({ name, kind }) => kind === 2 && name === 'POST /ratings/{productId}');
          const teller = spans.find(({ spanId }) => spanId === told?.parentSpanId);
          return teller?.resource['service.name'] === 'stars' && servicesOf(spans).has('feedback');
        });
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
  },
});
