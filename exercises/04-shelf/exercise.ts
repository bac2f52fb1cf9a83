import { isDeepStrictEqual } from 'node:util';
import { change, manyChanges, type Opinions, opinionsOf, READERS, readFeed } from '../03-events/feedback.ts';
import { defineExercise, eventually, type FindingWords, hold, PATIENCE_MS } from '../check/exercise.ts';
import { openPods } from '../check/pods.ts';
import { askUntilAnswered, isBelow, type Services, servicesOf } from '../check/services.ts';
import { openShop, type Shop, startStored } from '../check/shop.ts';

const SHELF = 'services/shelf/src/shelf.ts';
const APP = 'services/shelf/src/app.ts';
const LAG = 'shelf_feed_lag_events';
/** Of which the documents are compared. */
const BOOKS = [0, 1];

type Why = Pick<FindingWords, 'cause' | 'look'>;

interface Context extends AsyncDisposable {
  services: Services;
  /** Does `work` while shelf has nobody to ask. */
  alone(work: () => Promise<void>): Promise<void>;
  /** Takes from shelf all that it knows. */
  forget(): Promise<void>;
}

interface Offline extends Context {
  services: Shop;
}

const lookUp = (services: Services, productId: number) => askUntilAnswered(services, 'shelf', `/shelf/${productId}`);

const withoutTime = (book: unknown) => ({ ...(book as object), changedAt: undefined });

/** A book, but when it was changed, as the services say that it is made of. */
async function bookOf(services: Services, productId: number) {
  const details = (await askUntilAnswered(services, 'details', `/details/${productId}`)).json();
  const opinions: Opinions = await opinionsOf(services, productId);
  const reviews = Object.keys(opinions)
    .toSorted()
    .map((reviewer) => ({ reviewer, ...opinions[reviewer] }));
  const stars = Object.values(opinions).reduce((sum, it) => sum + it.stars, 0);
  return { productId, details, reviews, readers: reviews.length, stars };
}

/** Waits until the shelf has the book as it is now. */
async function comesToShelf(services: Services, productId: number, why: Why): Promise<void> {
  const expected = await bookOf(services, productId);
  let seen = '';
  await eventually(
    async () => {
      const answer = await lookUp(services, productId);
      seen = `${answer.status} ${answer.text}`;
      return (
        (answer.status === 200 && isDeepStrictEqual(withoutTime(answer.json()), withoutTime(expected))) || undefined
      );
    },
    () => ({ expected: `GET /shelf/${productId}, but for changedAt: 200 ${JSON.stringify(expected)}`, seen, ...why }),
    PATIENCE_MS,
  );
}

/** The documents, byte for byte. */
async function documentsOf(services: Services): Promise<string[]> {
  const answers = await Promise.all(BOOKS.map((productId) => lookUp(services, productId)));
  return answers.map(({ status, text }) => `${status} ${text}`);
}

/** Waits until the documents are these again. */
async function comeBack(services: Services, before: string[], why: Why): Promise<void> {
  let now = before;
  await eventually(
    async () => {
      now = await documentsOf(services);
      return isDeepStrictEqual(now, before) || undefined;
    },
    () => {
      const other = Math.max(
        0,
        BOOKS.findIndex((_, i) => now[i] !== before[i]),
      );
      const [expected = '', seen = ''] = [before[other], now[other]];
      const [was, is] = [expected, seen].map((it) => it.replace(/"changedAt":"[^"]*"/, ''));
      return {
        expected: `GET /shelf/${BOOKS[other]}: ${expected}`,
        seen,
        ...(was === is
          ? { cause: 'changedAt says when the document was made, not when its last event happened', look: SHELF }
          : why),
      };
    },
    PATIENCE_MS,
  );
}

/** Waits until the lag is this. */
async function lagIs(services: Services, expected: number, why: Why): Promise<void> {
  let seen = '';
  await eventually(
    async () => {
      const { text } = await askUntilAnswered(services, 'shelf', '/metrics');
      seen = text.match(new RegExp(`^(# TYPE )?${LAG}\\b.*$`, 'gm'))?.join('\n') ?? `no ${LAG}`;
      return (
        (seen.includes(`# TYPE ${LAG} gauge`) && new RegExp(`^${LAG}(\\{.*\\})? ${expected}$`, 'm').test(seen)) ||
        undefined
      );
    },
    () => ({ expected: `GET /metrics of shelf: the gauge ${LAG} is ${expected}`, seen, ...why }),
    PATIENCE_MS,
  );
}

/** Does `work` while none of these workloads is there. */
const withoutAll = (services: Services, [first, ...others]: string[], work: () => Promise<void>): Promise<void> =>
  first ? services.without(first, () => withoutAll(services, others, work)) : work();

export default defineExercise<Context, Offline>({
  title: { en: 'All of a book in one piece', ko: '책 한 권의 모든 것을 한 문서로' },
  day: 1,
  minutes: 60,
  after: ['03-events'],
  services: { feedback: { store: true }, stars: { store: true }, shelf: { store: true } },
  async open(tree, { signal }) {
    const shop = await openShop(tree, signal, async (opened) => {
      await Promise.all([
        startStored(opened, 'feedback'),
        startStored(opened, 'stars'),
        startStored(opened, 'shelf'),
        opened.start('details-v1'),
        opened.start('ratings-v1'),
      ]);
    });
    return {
      services: shop,
      alone: (work) => withoutAll(shop, ['feedback-v1', 'details-v1', 'stars-v1', 'ratings-v1'], work),
      async forget() {
        await shop.kill('shelf-v1');
        await startStored(shop, 'shelf', {}, 'empty');
      },
      [Symbol.asyncDispose]: () => shop[Symbol.asyncDispose](),
    };
  },
  async openInCluster(_tree, { signal, cluster }) {
    const workloads = ['feedback-v1', 'stars-v1', 'shelf-v1', 'details-v1', 'ratings-v1'];
    const services = await openPods(cluster, { workloads, anew: true, signal });
    return {
      services,
      // Without its pod, feedback would be without its events.
      alone: (work) =>
        services.disturb('feedback', { status: 503 }, () =>
          withoutAll(services, ['details-v1', 'stars-v1', 'ratings-v1'], work),
        ),
      // What a pod keeps goes with it.
      forget: () => services.without('shelf-v1', async () => {}),
      [Symbol.asyncDispose]: () => services[Symbol.asyncDispose](),
    };
  },

  questions: [
    {
      name: 'One request tells all of a book',
      hint: 1,
      async ask({ services }) {
        await change(services, 0, 'Reviewer2', { stars: 4, text: 'Over in an evening.' });
        await change(services, 0, 'Reviewer1', { stars: 5, text: 'Two pairs of twins!' });
        await comesToShelf(services, 0, { look: SHELF });
        await manyChanges(services, 1, 24, 1);
        await change(services, 0, 'Reviewer1', { stars: 2, text: 'I mixed them up.' });
        await change(services, 0, 'Reviewer2');
        for (const productId of BOOKS) await comesToShelf(services, productId, { look: SHELF });
        const unknown = await lookUp(services, 998);
        hold(unknown.status === 404, {
          expected: '404 for a book that nobody has reviewed',
          seen: `${unknown.status} ${unknown.text}`,
          look: APP,
        });
      },
    },
    {
      name: 'It does so while everybody else is away, also after a start',
      hint: 1,
      async ask({ services, alone }) {
        const before = await documentsOf(services);
        const still = async (cause: string) => {
          const now = await documentsOf(services);
          hold(isDeepStrictEqual(now, before), {
            expected: `while feedback, details, reviews and ratings are away: ${before[0]}`,
            seen: now[0] ?? '',
            cause,
            look: SHELF,
          });
        };
        await alone(async () => {
          await still('the book is put together when it is asked for, so it is there only while everybody answers');
          await services.crash('shelf-v1');
          await still('the shelf is empty after each start');
        });
      },
    },
    {
      name: 'Held up, the shelf says by how many events it is behind',
      hint: 3,
      async ask({ services }) {
        await lagIs(services, 0, { look: APP });
        await services.disturb('details', { status: 503 }, async () => {
          for (const reader of READERS) await change(services, 2, reader, { stars: 3, text: 'Held up.' });
          await lagIs(services, READERS.length, {
            cause: 'the lag is only told by work that succeeds: nobody tells it while the shelf is held up',
            look: APP,
          });
        });
        await lagIs(services, 0, { look: SHELF });
        await comesToShelf(services, 2, { cause: 'an event was done with before its book was whole', look: SHELF });
      },
    },
    {
      name: 'From an empty database the same comes out, byte for byte',
      hint: 2,
      async ask({ services, forget }) {
        const before = await documentsOf(services);
        await services.disturb('feedback', { status: 503 }, async () => {
          await forget();
          const early = await lookUp(services, 0);
          hold(early.status === 503, {
            expected: '503 for a book that is not on the shelf before the feed was read',
            seen: `${early.status} ${early.text}`,
            cause: 'who has not read the feed to its end cannot know that there is no such book',
            look: APP,
          });
        });
        await comeBack(services, before, { look: SHELF });
      },
    },
    {
      name: 'An event that comes again, or out of turn, changes nothing',
      hint: 2,
      offline: 'a rule of the mesh cannot change an answer',
      async ask({ services: shop }) {
        const before = await documentsOf(shop);
        const events = (await readFeed(shop)).slice(0, 50);
        const deliveries = [
          ['again', [...events, ...events], 'an event that came twice was counted twice'],
          [
            'reversed',
            events.toReversed(),
            'an event that came too early was taken, and the ones before it passed over',
          ],
        ] as const;
        for (const [file, page, cause] of deliveries) {
          const link = shop.link('shelf', 'feedback');
          let delivered = false;
          link.fate = ({ path }) => {
            if (delivered || !path.startsWith('/events')) return 'pass';
            delivered = true;
            return { status: 200, body: { events: page, newest: events.length } };
          };
          await shop.kill('shelf-v1');
          await startStored(shop, 'shelf', {}, file);
          // Comes by an honest page, so all of the other one is worked on when it is there.
          await change(shop, 2, 'Reviewer1', { stars: 1, text: file });
          await comesToShelf(shop, 2, { cause, look: SHELF });
          await comeBack(shop, before, { cause, look: SHELF });
        }
      },
    },
    {
      name: 'What the shelf does about a review is in the trace of who wrote it',
      async ask({ services }) {
        const traceId = await change(services, 3, 'Reviewer1', { stars: 4, text: 'Traced.' });
        await services.trace(traceId, 'one trace through feedback, shelf and details', (spans) => {
          const asked = spans.find(({ name, kind }) => kind === 2 && name === 'GET /details/{productId}');
          return isBelow(spans, 'shelf', asked) && servicesOf(spans).has('feedback');
        });
      },
    },
  ],

  refused: {
    start: 'the book is put together when it is asked for',
    wrong: {
      'lag-of-work-done': 'the lag is only told by work that succeeds',
      'own-clock': 'changedAt says when the document was made',
      'gone-while-filling': 'cannot know that there is no such book',
      'counts-twice': 'an event that came twice was counted twice',
      'passes-over': 'an event that came too early was taken',
    },
    inCluster: {
      start: 'the book is put together when it is asked for',
      'lag-of-work-done': 'the lag is only told by work that succeeds',
      'own-clock': 'changedAt says when the document was made',
      'gone-while-filling': 'cannot know that there is no such book',
    },
  },
});
