import { randomUUID } from 'node:crypto';
import { defineExercise, eventually, type FindingWords, hold, PATIENCE_MS } from '../check/exercise.ts';
import { type Fate, meanwhile, type Passed } from '../check/link.ts';
import { filesIn, Mesh, manifestsOf, readFiles } from '../check/mesh.ts';
import { openShop, type Shop, startStored } from '../check/shop.ts';

const PRICE = 12;
/** More than a purse can pay. */
const TOO_MANY = 10;
/** What a service that is away is asked for the sake of one order, at most. */
const BUDGET = 5;

type Words = Omit<FindingWords, 'expected' | 'seen'>;

/** The services, and what they would find on a cluster. */
interface Context extends AsyncDisposable {
  shop: Shop;
  mesh: Mesh;
}

/** Kills a service as soon as it sends such a request, which meets its fate. `work` is what makes it send one. */
async function killAt(
  shop: Shop,
  [from, to]: [string, string],
  isIt: (request: Passed) => boolean,
  fate: Fate,
  work: () => Promise<unknown>,
): Promise<void> {
  let killed: Promise<void> | undefined;
  const kill = (request: Passed): Fate => {
    if (!isIt(request)) return 'pass';
    killed ??= shop.kill(`${from}-v1`);
    return fate;
  };
  await meanwhile(shop.link(from, to), kill, async () => {
    await work();
    await eventually(
      () => killed?.then(() => true),
      () => ({ expected: `${from} asks ${to} to do its part`, seen: 'it does not', look: `services/${from}/src` }),
      PATIENCE_MS,
    );
  });
}

const place = (shop: Shop, orderId: string, productId: number, quantity = 1) =>
  shop.ask('orders', `/orders/${orderId}`, {
    method: 'PUT',
    json: { productId, quantity, customer: `customer of ${orderId.slice(0, 8)}` },
  });

/** Waits for the end that an order comes to. */
async function end(shop: Shop, orderId: string): Promise<string> {
  let state = '';
  return eventually(
    async () => {
      const answer = await shop.ask('orders', `/orders/${orderId}`);
      state = answer.status === 200 ? (answer.json() as { state: string }).state : `${answer.status}`;
      return state === 'confirmed' || state === 'cancelled' ? state : undefined;
    },
    () => ({ expected: 'the order comes to an end', seen: `it is ${state}`, look: 'services/orders/src' }),
    PATIENCE_MS,
  );
}

const put = (shop: Shop, service: string, path: string, json: unknown) =>
  shop.ask(service, path, { method: 'PUT', json });
const heldOf = async (shop: Shop, productId: number) =>
  ((await shop.ask('stock', `/stock/${productId}`)).json() as { held: number }).held;
const moneyTaken = async (shop: Shop) => ((await shop.ask('payments', '/money')).json() as { taken: number }).taken;

const opine = (shop: Shop, productId: number, stars: number) =>
  put(shop, 'feedback', `/feedback/${productId}/jason`, { stars, text: '' });
const ratingsOf = async (shop: Shop, productId: number) => (await shop.ask('ratings', `/ratings/${productId}`)).text;

/** Waits until ratings has the stars that jason gave. */
async function rated(shop: Shop, productId: number, stars: number): Promise<void> {
  let seen = '';
  await eventually(
    async () => {
      seen = await ratingsOf(shop, productId);
      return seen.includes(`"jason":${stars}`) || undefined;
    },
    () => ({ expected: `${stars} stars of jason in ratings`, seen, look: 'the log of stars' }),
    PATIENCE_MS,
  );
}

/** What a pod would find behind the name that it is given for a backend. */
async function finds({ mesh }: Context, workload: string, backend: string, words: Words): Promise<void> {
  const variable = `${backend.toUpperCase()}_HOSTNAME`;
  const deployment = mesh.manifests.find(({ kind, metadata }) => kind === 'Deployment' && metadata?.name === workload);
  const containers = (deployment?.spec as PodsSpec | undefined)?.template?.spec?.containers ?? [];
  const host = containers.flatMap(({ env = [] }) => env).find(({ name }) => name === variable)?.value ?? backend;
  const wrong = await mesh.ask({ from: workload, url: `http://${host}:9080/health`, times: 1, expected: { v1: 1 } });
  hold(wrong === undefined, {
    expected: `${workload} gets an answer of ${backend}`,
    seen: wrong?.seen === 'none' ? 'none' : 'an error',
    ...words,
  });
}
interface PodsSpec {
  template?: { spec?: { containers?: { env?: { name: string; value?: string }[] }[] } };
}

export default defineExercise<Context>({
  title: { en: 'Four faults in the shop', ko: '서점에 숨은 결함 네 가지' },
  day: 1,
  minutes: 45,
  after: ['03-events'],
  files: ['02-saga'],
  faults: 4,
  goOn: true,

  async open(tree, { signal }) {
    const mesh = new Mesh(manifestsOf(readFiles(tree, filesIn(tree, 'challenge'))), undefined);
    const shop = await openShop(tree, signal, async (opened) => {
      const services = ['orders', 'stock', 'payments', 'feedback', 'stars'];
      await Promise.all([...services.map((service) => startStored(opened, service)), opened.start('ratings-v1')]);
    });
    return { shop, mesh, [Symbol.asyncDispose]: () => shop[Symbol.asyncDispose]() };
  },

  questions: [
    {
      name: 'On a cluster, orders gets through to payments',
      hint: 4,
      ask: (context) =>
        finds(context, 'orders-v1', 'payments', {
          look: 'challenge/shop.yaml: a Service is a name, and the pods behind it',
          cause: 'challenge/shop.yaml: Service payments, spec.selector',
        }),
    },
    {
      name: 'On a cluster, stars gets through to feedback',
      hint: 4,
      ask: (context) =>
        finds(context, 'stars-v1', 'feedback', {
          look: 'challenge/shop.yaml: where does stars ask for feedback?',
          cause: 'challenge/shop.yaml: Deployment stars-v1, FEEDBACK_HOSTNAME',
        }),
    },
    {
      name: 'An order that was interrupted while it was paid is paid once',
      hint: 2,
      async ask({ shop }) {
        const [orderId, before] = [randomUUID(), await moneyTaken(shop)];
        const isPayment = ({ method, path }: Passed) => method === 'PUT' && path.includes(orderId);
        await killAt(shop, ['orders', 'payments'], isPayment, 'cut', () => place(shop, orderId, 0));
        await startStored(shop, 'orders');
        const state = await end(shop, orderId);
        const [taken, due] = [(await moneyTaken(shop)) - before, state === 'confirmed' ? PRICE : 0];
        hold(taken === due, {
          expected: `${due} taken for an order of one book, which is ${state}`,
          seen: `${taken} taken`,
          look: 'the hop from orders to payments: compare what is asked before orders was killed with what is asked after it',
          cause: 'the id of a payment, in the step pay of services/orders/src/saga.ts',
        });
      },
    },
    {
      name: 'Books go back to the shelf when their money has gone back to the customer',
      hint: 2,
      async ask({ shop }) {
        const orderId = randomUUID();
        const payments = shop.link('orders', 'payments');
        const isRefund = ({ method, path }: Passed) => method === 'DELETE' && path.includes(orderId);
        // The money is taken, nobody learns of it, and for a while it cannot be given back.
        const held = await meanwhile(
          payments,
          ({ method }) => (method === 'PUT' ? 'cut' : 'refuse'),
          async () => {
            await place(shop, orderId, 1);
            await eventually(
              () => payments.passed.some(isRefund) || undefined,
              () => ({ expected: 'payments is asked to give the money back', seen: 'it is not', look: 'orders' }),
              PATIENCE_MS,
            );
            return heldOf(shop, 1);
          },
        );
        await end(shop, orderId);
        hold(held === 1, {
          expected: 'a book is put aside as long as its money is here',
          seen: 'it is for sale again, and the money is still here',
          look: 'orders, when payments does not answer: in which order does it undo?',
          cause: 'what comes after pay, refund and release, in services/orders/src/saga.ts',
        });
      },
    },
    {
      name: 'An order that stock gave no answer to keeps no book',
      hint: 3,
      async ask({ shop }) {
        const orderId = randomUUID();
        const fate = ({ method }: Passed): Fate => (method === 'PUT' ? 'cut' : 'pass');
        await meanwhile(shop.link('orders', 'stock'), fate, () => place(shop, orderId, 2));
        const state = await end(shop, orderId);
        const [held, due] = [await heldOf(shop, 2), state === 'confirmed' ? 1 : 0];
        hold(held === due, {
          expected: `${due} books put aside for the order, which is ${state}`,
          seen: `${held}`,
          look: 'the hop from orders to stock, where the request arrived, and its answer was lost',
          cause: 'where the step reserve goes without an answer, in services/orders/src/saga.ts',
        });
      },
    },
    {
      name: 'An order that was interrupted while it was undone is undone to its end',
      hint: 1,
      async ask({ shop }) {
        const [stuck, interrupted] = [randomUUID(), randomUUID()];
        const [stock, payments] = [shop.link('orders', 'stock'), shop.link('orders', 'payments')];
        const undone = ({ passed }: { passed: Passed[] }, orderId: string) =>
          passed.filter(({ method, path }) => method === 'DELETE' && path.includes(orderId)).length;
        // One that gets no further tells us when orders, begun again, has looked at what is left.
        const fate = ({ path }: Passed): Fate => (path.includes(stuck) ? 'refuse' : 'pass');
        await meanwhile(payments, fate, async () => {
          await place(shop, stuck, 3);
          const isRelease = ({ method, path }: Passed) => method === 'DELETE' && path.includes(interrupted);
          await killAt(shop, ['orders', 'stock'], isRelease, 'refuse', () => place(shop, interrupted, 3, TOO_MANY));
          for (const { passed } of [stock, payments]) passed.length = 0;
          await startStored(shop, 'orders');
          await eventually(
            () => undone(stock, interrupted) > 0 || undone(payments, stuck) > 2 * BUDGET || undefined,
            () => ({ expected: 'orders goes on', seen: 'it does nothing', look: 'orders, after a restart' }),
            PATIENCE_MS,
          );
          hold(undone(stock, interrupted) > 0, {
            expected: 'orders, begun again, gives back the books of an order that was about to be cancelled',
            seen: `it goes on with others, and that one is ${(await shop.ask('orders', `/orders/${interrupted}`)).text}`,
            look: 'orders, after a restart: which orders does it go on with?',
            cause: 'the condition of pending, in services/orders/src/orders.ts',
          });
        });
        for (const orderId of [stuck, interrupted]) await end(shop, orderId);
      },
    },
    {
      name: 'A service that is away is left alone',
      hint: 3,
      async ask({ shop }) {
        const orderId = randomUUID();
        const stock = shop.link('orders', 'stock');
        const isReservation = ({ method, path }: Passed) => method === 'PUT' && path.includes(orderId);
        await meanwhile(
          stock,
          (request) => (isReservation(request) ? 'refuse' : 'pass'),
          () => place(shop, orderId, 4),
        );
        const asked = stock.passed.filter(isReservation).length;
        hold(asked <= BUDGET, {
          expected: `stock, which is away, is asked for the books of an order ${BUDGET} times at most`,
          seen: `${asked} times, one right after the other`,
          look: 'the hop from orders to stock: the log of orders has the number of tries',
          cause: 'PATIENCE, in services/orders/src/backends.ts',
        });
      },
    },
    {
      name: 'Books that were put aside are so after a restart of stock',
      hint: 1,
      async ask({ shop }) {
        await put(shop, 'stock', `/reservations/${randomUUID()}`, { productId: 5, quantity: 2 });
        await shop.crash('stock-v1');
        const held = await heldOf(shop, 5);
        hold(held === 2, {
          expected: '2 books put aside, as before the restart',
          seen: `${held}`,
          look: 'stock: what of it is in its file?',
          cause: 'SCHEMA, in services/stock/src/reservations.ts',
        });
      },
    },
    {
      name: 'A request that comes too late takes no book from the shelf',
      hint: 3,
      async ask({ shop }) {
        const path = `/reservations/${randomUUID()}`;
        await shop.ask('stock', path, { method: 'DELETE' });
        await put(shop, 'stock', path, { productId: 6, quantity: 1 });
        const held = await heldOf(shop, 6);
        hold(held === 0, {
          expected: 'no book for an order that was given up before the request to put books aside arrived',
          seen: `${held}, which nobody will ever give back`,
          look: 'stock: what does it remember of an order that it has never seen, and is asked to undo?',
          cause: 'what release stores, in services/stock/src/reservations.ts',
        });
      },
    },
    {
      name: 'Who got the money back can spend it again',
      hint: 2,
      async ask({ shop }) {
        const [first, second, money] = [randomUUID(), randomUUID(), { customer: randomUUID(), amount: 60 }];
        await put(shop, 'payments', `/payments/${first}`, money);
        await shop.ask('payments', `/payments/${first}`, { method: 'DELETE' });
        const { status, text } = await put(shop, 'payments', `/payments/${second}`, money);
        hold(status === 200, {
          expected: 'a customer who has 100, paid 60 and got it back can pay 60',
          seen: `${status} ${text}`,
          look: 'payments: what is left of a payment that was given back?',
          cause: 'the sum in spentBy, in services/payments/src/ledger.ts',
        });
      },
    },
    {
      name: 'A reader who says the same twice has said it once',
      hint: 2,
      async ask({ shop }) {
        await opine(shop, 0, 3);
        await opine(shop, 0, 3);
        const { events } = (await shop.ask('feedback', '/events?after=0')).json() as {
          events: { productId: number }[];
        };
        const told = events.filter(({ productId }) => productId === 0).length;
        hold(told === 1, {
          expected: '1 event of a reader whose request came twice',
          seen: `${told}`,
          look: 'the hop into feedback: what does it know a second request by?',
          cause: 'what give appends, in services/feedback/src/opinions.ts',
        });
      },
    },
    {
      name: 'An opinion that was taken back is gone, whatever happens next',
      async ask({ shop }) {
        await opine(shop, 1, 2);
        const { status } = await shop.ask('feedback', '/feedback/1/jason', { method: 'DELETE' });
        await shop.crash('feedback-v1');
        const { text } = await shop.ask('feedback', '/feedback/1');
        hold(status === 200 && !text.includes('jason'), {
          expected: 'no opinion of jason, who took it back and was answered 200, after a restart of feedback',
          seen: status === 200 ? text : `answered ${status}`,
          look: 'feedback: what has been done when it answers, and what has not?',
          cause: 'when withdraw is called, in services/feedback/src/app.ts',
        });
      },
    },
    {
      name: 'Ratings gets all stars, also when stars is killed on the way',
      hint: 1,
      async ask({ shop }) {
        const isStars = ({ path }: Passed) => path === '/ratings/2';
        await killAt(shop, ['stars', 'ratings'], isStars, 'refuse', () => opine(shop, 2, 4));
        await startStored(shop, 'stars');
        // Events come in order: when this one has arrived, all before it have.
        await opine(shop, 3, 1);
        await rated(shop, 3, 1);
        const seen = await ratingsOf(shop, 2);
        hold(seen.includes('"jason":4'), {
          expected: 'four stars of jason in ratings, although stars was killed before ratings knew',
          seen,
          look: 'stars: from which event on does it ask, after a restart?',
          cause: 'when progress is written, in services/stars/src/stars.ts',
        });
      },
    },
    {
      name: 'A change is one trace, from the reader to ratings',
      hint: 4,
      async ask({ shop }) {
        const { traceId } = await opine(shop, 4, 5);
        await rated(shop, 4, 5);
        const { passed } = shop.link('stars', 'ratings');
        const traceparent = passed.findLast(({ path }) => path === '/ratings/4')?.headers.traceparent;
        hold(String(traceparent).includes(traceId), {
          expected: 'stars tells ratings in the trace of the reader',
          seen: 'it does so in another one, or in none',
          look: 'the hop from feedback to stars: what does an event say of the request that it happened in, and who reads it?',
          cause: 'on whose behalf the work is done, in services/stars/src/feed.ts',
        });
      },
    },
    {
      name: 'The sum of the stars is that of now',
      hint: 4,
      async ask({ shop }) {
        for (const stars of [2, 5]) {
          await opine(shop, 5, stars);
          await rated(shop, 5, stars);
          const { text } = await shop.ask('stars', '/stars/5');
          hold(text.includes(`"stars":${stars}`), {
            expected: `${stars} stars of one reader, as ratings has them already`,
            seen: text,
            look: 'stars: what does it look at when it is asked?',
            cause: 'what GET /stars/{productId} keeps, in services/stars/src/app.ts',
          });
        }
      },
    },
  ],

  refused: {
    wrong: {
      'answered-before-it-is-stored': 'when withdraw is called',
      'asked-twice-done-twice': 'what give appends',
      'cache-that-is-never-emptied': 'what GET /stars/{productId} keeps',
      'key-made-anew': 'the id of a payment',
      'late-request-not-expected': 'what release stores',
      'left-behind-by-a-restart': 'the condition of pending',
      'name-that-no-service-has': 'FEEDBACK_HOSTNAME',
      'no-answer-is-a-refusal': 'where the step reserve goes',
      'progress-before-the-work': 'when progress is written',
      'selector-that-fits-no-pod': 'Service payments, spec.selector',
      'state-in-memory': 'SCHEMA',
      'trace-ends-at-the-feed': 'on whose behalf the work is done',
      'tries-without-a-budget': 'PATIENCE',
      'undone-in-part': 'the sum in spentBy',
      'undone-in-the-wrong-order': 'what comes after pay, refund and release',
    },
  },
});
