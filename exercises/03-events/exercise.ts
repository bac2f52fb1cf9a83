import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { defineExercise, eventually, type FindingWords, hold } from '../check/exercise.ts';
import type { Fate } from '../check/link.ts';
import { openShop, type Shop } from '../check/shop.ts';

const FEEDBACK = 'services/feedback/src';
const STARS = 'services/stars/src/stars.ts';
const READERS = ['Reviewer1', 'Reviewer2', 'Reviewer3', 'Reviewer4'];
/** For what takes a moment on an idle machine. */
const PATIENCE_MS = 45_000;
/** Of no question: its events tell that the feed has been read to its end. */
const MARKED = 999;

interface Opinion {
  stars: number;
  text: string;
}
interface Event {
  seq: number;
  at: string;
  type: string;
  productId: number;
  reviewer: string;
  opinion?: Opinion;
}
type Opinions = Record<string, Opinion>;

const startFeedback = (shop: Shop) => shop.start('feedback-v1', { DATABASE_FILE: join(shop.folder, 'feedback.db') });
const startStars = (shop: Shop, file = 'stars') =>
  shop.start('stars-v1', { DATABASE_FILE: join(shop.folder, `${file}.db`) });

/** Asks for a change, as often as it takes to get an answer: asked twice, it happens once. */
async function change(shop: Shop, productId: number, reviewer: string, opinion?: Opinion): Promise<string> {
  const path = `/feedback/${productId}/${reviewer}`;
  const asked = opinion ? { method: 'PUT', json: opinion } : { method: 'DELETE' };
  const answer = await eventually(
    async () => {
      const it = await shop.ask('feedback', path, asked);
      return it.status === 0 ? undefined : it;
    },
    () => ({ expected: `an answer to ${asked.method} ${path}`, seen: 'none, again and again', look: FEEDBACK }),
    PATIENCE_MS,
  );
  hold(answer.status === 200, {
    expected: `200 for ${asked.method} ${path}`,
    seen: `${answer.status} ${answer.text}`,
    look: FEEDBACK,
  });
  return answer.traceId;
}

async function opinionsOf(shop: Shop, productId: number, asOf?: string): Promise<Opinions> {
  const answer = await shop.ask('feedback', `/feedback/${productId}${asOf ? `?asOf=${encodeURIComponent(asOf)}` : ''}`);
  hold(answer.status === 200, {
    expected: `what readers think of product ${productId}${asOf ? ` at ${asOf}` : ''}`,
    seen: `${answer.status} ${answer.text}`,
    look: FEEDBACK,
  });
  return (answer.json() as { opinions: Opinions }).opinions;
}

/** All that is in the feed by now, page by page. */
async function readFeed(shop: Shop): Promise<Event[]> {
  const marker = randomUUID();
  await change(shop, MARKED, 'marker', { stars: 1, text: marker });
  const events: Event[] = [];
  while (!events.some(({ opinion }) => opinion?.text === marker)) {
    const next = (events.at(-1)?.seq ?? 0) + 1;
    const answer = await shop.ask('feedback', `/events?after=${next - 1}`);
    const page = answer.status === 200 ? (answer.json() as { events: Event[] }).events : [];
    hold(page[0]?.seq === next, {
      expected: `GET /events?after=${next - 1} tells event ${next}, and those that follow`,
      seen: page[0] ? `event ${page[0].seq}` : `${answer.status} ${answer.text}`,
      cause: 'an event is missing, or the feed does not tell them in order',
      look: FEEDBACK,
    });
    events.push(...page);
  }
  return events;
}

function fold(events: Event[], productId: number): Opinions {
  const opinions: Opinions = {};
  for (const { reviewer, opinion } of events.filter((it) => it.productId === productId)) {
    if (opinion) opinions[reviewer] = opinion;
    else delete opinions[reviewer];
  }
  return opinions;
}

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

/** The same numbers in every run: a check that fails fails again. */
function dice(seed: number): (sides: number) => number {
  let state = seed;
  return (sides) => {
    state = (state * 1_664_525 + 1_013_904_223) % 2 ** 32;
    return Math.floor((state / 2 ** 32) * sides);
  };
}

/** Changes by `READERS`, each of whom waits for one answer before the next change. */
async function manyChanges(shop: Shop, productId: number, count: number, seed: number): Promise<void> {
  await Promise.all(
    READERS.map(async (reader, i) => {
      const roll = dice(seed + i);
      for (let n = 0; n < count / READERS.length; n++) {
        const opinion = roll(4) === 0 ? undefined : { stars: 1 + roll(5), text: `${n}` };
        await change(shop, productId, reader, opinion);
      }
    }),
  );
}

export default defineExercise<Shop>({
  title: { en: 'What happened, and what follows from it', ko: '일어난 일, 그리고 거기서 나오는 것' },
  day: 1,
  minutes: 90,
  open: (tree, { signal }) =>
    openShop(tree, signal, async (shop) => {
      await Promise.all([startFeedback(shop), startStars(shop), shop.start('ratings-v1'), shop.start('reviews-v2')]);
    }),

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
          return teller?.resource['service.name'] === 'stars' && shop.servicesOf(spans).has('feedback');
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
