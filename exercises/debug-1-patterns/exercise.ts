import { randomUUID } from 'node:crypto';
import { type Static, Type } from 'typebox';
import { Value } from 'typebox/value';
import { silentLink, silentMesh } from '../02-saga/exercise.ts';
import {
  contextInCluster,
  contextOf,
  type Context as EventsContext,
  type Offline as EventsOffline,
  toldInOneTrace,
  WORKLOADS,
} from '../03-events/exercise.ts';
import {
  defineExercise,
  eventually,
  Finding,
  type FindingWords,
  hold,
  PATIENCE_MS,
  Unasked,
} from '../check/exercise.ts';
import { type Fate, meanwhile, type Passed } from '../check/link.ts';
import { filesIn, Mesh, manifestsOf, readFiles } from '../check/mesh.ts';
import { openPods } from '../check/pods.ts';
import { type Asked, askUntilAnswered, type Services } from '../check/services.ts';
import { openShop, type Shop, startStored } from '../check/shop.ts';

const PRICE = 12;
/** More than a purse can pay. */
const TOO_MANY = 10;
/** What a service that is away is asked for the sake of one order, at most. */
const BUDGET = 5;

type Words = Omit<FindingWords, 'expected' | 'seen'>;

interface Context extends EventsContext {
  /** Does `work` while payments is asked in vain: where links can do that, it has taken the money. */
  silence<T>(work: () => Promise<T>): Promise<T>;
  /** What pods find behind the names that they are given: by `challenge/shop.yaml`, or by what is deployed. */
  mesh: Mesh;
  deployment(workload: string): Promise<Deployment>;
  /** @throws {Unasked} when a service does not get through to another one, which is a question of its own */
  requireWay(workload: string, backend: string): Promise<void>;
}

interface Offline extends Context, EventsOffline {
  services: Shop;
}

const Deployment = Type.Object({
  spec: Type.Object({
    template: Type.Object({
      spec: Type.Object({
        containers: Type.Array(
          Type.Object({
            env: Type.Optional(Type.Array(Type.Object({ name: Type.String(), value: Type.Optional(Type.String()) }))),
          }),
        ),
      }),
    }),
  }),
});
type Deployment = Static<typeof Deployment>;

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

const asOrder = (orderId: string, productId: number, quantity = 1): Asked => ({
  method: 'PUT',
  json: { productId, quantity, customer: `customer of ${orderId.slice(0, 8)}` },
});
const place = (shop: Services, orderId: string, productId: number, quantity?: number) =>
  askUntilAnswered(shop, 'orders', `/orders/${orderId}`, asOrder(orderId, productId, quantity));

/** Waits for the end that an order comes to. */
async function end(shop: Services, orderId: string, words: Words = { look: 'services/orders/src' }): Promise<string> {
  let state = '';
  return eventually(
    async () => {
      const answer = await askUntilAnswered(shop, 'orders', `/orders/${orderId}`);
      state = answer.status === 200 ? (answer.json() as { state: string }).state : `${answer.status}`;
      return state === 'confirmed' || state === 'cancelled' ? state : undefined;
    },
    () => ({ expected: 'the order comes to an end', seen: `it is ${state}`, ...words }),
    PATIENCE_MS,
  );
}

const put = (shop: Services, service: string, path: string, json: unknown) =>
  askUntilAnswered(shop, service, path, { method: 'PUT', json });
const heldOf = async (shop: Services, productId: number) =>
  ((await askUntilAnswered(shop, 'stock', `/stock/${productId}`)).json() as { held: number }).held;
const moneyTaken = async (shop: Services) =>
  ((await askUntilAnswered(shop, 'payments', '/money')).json() as { taken: number }).taken;

const opine = (shop: Services, productId: number, stars: number) =>
  put(shop, 'feedback', `/feedback/${productId}/jason`, { stars, text: '' });
const ratingsOf = async (shop: Services, productId: number) =>
  (await askUntilAnswered(shop, 'ratings', `/ratings/${productId}`)).text;

/** Waits until ratings has the stars that jason gave. */
async function rated(shop: Services, productId: number, stars: number): Promise<void> {
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

/** What is wrong with what a pod finds behind the name that it is given for a backend, if anything. */
async function wrongWay(
  { mesh, deployment }: Pick<Context, 'mesh' | 'deployment'>,
  workload: string,
  backend: string,
): Promise<FindingWords | undefined> {
  const { containers } = (await deployment(workload)).spec.template.spec;
  const variable = `${backend.toUpperCase()}_HOSTNAME`;
  const host = containers.flatMap(({ env = [] }) => env).find(({ name }) => name === variable)?.value ?? backend;
  return mesh.ask({ from: workload, url: `http://${host}:9080/health`, times: 1, expected: { v1: 1 } });
}

/** @throws {Finding} when it finds nobody */
async function finds(context: Context, workload: string, backend: string, words: Words): Promise<void> {
  const wrong = await wrongWay(context, workload, backend);
  hold(wrong === undefined, {
    expected: `${workload} gets an answer of ${backend}`,
    seen: wrong?.seen === 'none' ? 'none' : 'an error',
    ...words,
  });
}

/** @throws {Finding} when there is none, or it is not what a Deployment is */
function readDeployment(found: unknown, workload: string, look: string): Deployment {
  hold(Value.Check(Deployment, found), { expected: `a Deployment ${workload} with containers`, seen: 'none', look });
  return found;
}

export default defineExercise<Context, Offline>({
  title: { en: 'Four faults in the shop', ko: '서점에 숨은 결함 네 가지' },
  day: 1,
  minutes: 45,
  after: ['03-events'],
  files: ['02-saga'],
  faults: 4,
  goOn: true,

  async open(tree, { signal }) {
    const manifests = manifestsOf(readFiles(tree, filesIn(tree, 'challenge')));
    const shop = await openShop(tree, signal, async (opened) => {
      const services = ['orders', 'stock', 'payments', 'feedback', 'stars'];
      await Promise.all([...services.map((service) => startStored(opened, service)), opened.start('ratings-v1')]);
    });
    return {
      ...contextOf(shop),
      silence: (work) => silentLink(shop, work),
      mesh: new Mesh(manifests, undefined),
      async deployment(workload) {
        const found = manifests.find(({ kind, metadata }) => kind === 'Deployment' && metadata?.name === workload);
        return readDeployment(found, workload, 'challenge/shop.yaml');
      },
      // Links lead everywhere, whatever the file says.
      async requireWay() {},
    };
  },
  async openInCluster(_tree, { signal, cluster }) {
    const workloads = ['orders-v1', 'stock-v1', 'payments-v1', ...WORKLOADS];
    const services = await openPods(cluster, { workloads, anew: true, signal });
    const mesh = new Mesh([], cluster);
    const deployment: Context['deployment'] = async (workload) =>
      readDeployment(
        JSON.parse(await cluster.kubectl('get', 'deployment', workload, '--output=json')),
        workload,
        workload,
      );
    return {
      ...contextInCluster(services),
      silence: (work) => silentMesh(services, work),
      mesh,
      deployment,
      async requireWay(workload, backend) {
        if (await wrongWay({ mesh, deployment }, workload, backend))
          throw new Unasked(`${workload} does not get through to ${backend}`);
      },
    };
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
      offline: 'no step lasts long enough to be hit from outside of its pod',
      async ask({ services: shop }) {
        const [orderId, before] = [randomUUID(), await moneyTaken(shop)];
        const isPayment = ({ method, path }: Passed) => method === 'PUT' && path.includes(orderId);
        await killAt(shop, ['orders', 'payments'], isPayment, 'cut', () =>
          shop.ask('orders', `/orders/${orderId}`, asOrder(orderId, 0)),
        );
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
      async ask({ services: shop, silence, requireWay }) {
        await requireWay('orders-v1', 'payments');
        const orderId = randomUUID();
        // For a while the money, which may have been taken, cannot be given back.
        const held = await silence(async () => {
          await place(shop, orderId, 1);
          return heldOf(shop, 1);
        });
        await end(shop, orderId);
        hold(held === 1, {
          expected: 'a book is put aside as long as its money may be here',
          seen: 'it is for sale again, and nobody has given the money back',
          look: 'orders, when payments does not answer: in which order does it undo?',
          cause: 'what comes after pay, refund and release, in services/orders/src/saga.ts',
        });
      },
    },
    {
      name: 'An order that stock gave no answer to keeps no book',
      hint: 3,
      offline: 'a rule of the mesh loses no answer',
      async ask({ services: shop }) {
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
      async ask({ services: shop, requireWay }) {
        await requireWay('orders-v1', 'payments');
        const orderId = randomUUID();
        await shop.disturb('stock', { status: 503, methods: ['DELETE'] }, async () => {
          await place(shop, orderId, 3, TOO_MANY);
          await shop.crash('orders-v1');
        });
        await end(shop, orderId, {
          look: 'orders, after a restart: which orders does it go on with?',
          cause: 'the condition of pending, in services/orders/src/orders.ts',
        });
      },
    },
    {
      name: 'A service that is away is left alone',
      hint: 3,
      async ask({ services: shop }) {
        const { traceId } = await shop.disturb('stock', { status: 503, methods: ['PUT'] }, () =>
          place(shop, randomUUID(), 4),
        );
        const spans = await shop.trace(traceId, 'a trace of what orders did', (all) =>
          all.some(({ kind, name }) => kind === 2 && name === 'PUT /orders/{orderId}'),
        );
        const asked = spans.filter(({ kind, name }) => kind === 3 && name === 'PUT /reservations/{orderId}').length;
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
      async ask({ services: shop }) {
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
      async ask({ services: shop }) {
        const path = `/reservations/${randomUUID()}`;
        await askUntilAnswered(shop, 'stock', path, { method: 'DELETE' });
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
      async ask({ services: shop, requireWay }) {
        await requireWay('orders-v1', 'payments');
        const [first, second, money] = [randomUUID(), randomUUID(), { customer: randomUUID(), amount: 60 }];
        await put(shop, 'payments', `/payments/${first}`, money);
        await askUntilAnswered(shop, 'payments', `/payments/${first}`, { method: 'DELETE' });
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
      async ask({ services: shop }) {
        await opine(shop, 0, 3);
        await opine(shop, 0, 3);
        const { events } = (await askUntilAnswered(shop, 'feedback', '/events?after=0')).json() as {
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
      async ask({ services: shop }) {
        await opine(shop, 1, 2);
        const { status } = await askUntilAnswered(shop, 'feedback', '/feedback/1/jason', { method: 'DELETE' });
        await shop.crash('feedback-v1');
        const { text } = await askUntilAnswered(shop, 'feedback', '/feedback/1');
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
      async ask({ services: shop, awayFromRatings, requireWay }) {
        await requireWay('stars-v1', 'feedback');
        // Events come in order: when this one has arrived, all before it have.
        const arrived = async (stars: number) => {
          await opine(shop, 3, stars);
          await rated(shop, 3, stars);
        };
        await arrived(2);
        await awayFromRatings(
          () => opine(shop, 2, 4),
          () => shop.crash('stars-v1'),
        );
        await arrived(1);
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
      async ask({ services: shop, requireWay }) {
        await requireWay('stars-v1', 'feedback');
        const { traceId } = await opine(shop, 4, 5);
        await rated(shop, 4, 5);
        await shop
          .trace(traceId, 'stars tells ratings in the trace of the reader', toldInOneTrace)
          .catch((error: unknown) => {
            if (!(error instanceof Finding)) throw error;
            throw new Finding({
              ...error.finding,
              look: 'the hop from feedback to stars: what does an event say of the request that it happened in, and who reads it?',
              cause: 'on whose behalf the work is done, in services/stars/src/feed.ts',
            });
          });
      },
    },
    {
      name: 'The sum of the stars is that of now',
      hint: 4,
      async ask({ services: shop, requireWay }) {
        await requireWay('stars-v1', 'feedback');
        for (const stars of [2, 5]) {
          await opine(shop, 5, stars);
          await rated(shop, 5, stars);
          const { text } = await askUntilAnswered(shop, 'stars', '/stars/5');
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
    // The first two keep questions from being asked that tell some of the others.
    inCluster: {
      'selector-that-fits-no-pod': 'Service payments, spec.selector',
      'name-that-no-service-has': 'FEEDBACK_HOSTNAME',
      'late-request-not-expected': 'what release stores',
      'asked-twice-done-twice': 'what give appends',
      'tries-without-a-budget': 'PATIENCE',
      'state-in-memory': 'SCHEMA',
      'answered-before-it-is-stored': 'when withdraw is called',
      'cache-that-is-never-emptied': 'what GET /stars/{productId} keeps',
      'left-behind-by-a-restart': 'the condition of pending',
      'undone-in-part': 'the sum in spentBy',
      'undone-in-the-wrong-order': 'what comes after pay, refund and release',
      'progress-before-the-work': 'when progress is written',
      'trace-ends-at-the-feed': 'on whose behalf the work is done',
    },
  },
});
