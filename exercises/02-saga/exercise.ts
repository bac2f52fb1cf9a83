import { randomUUID } from 'node:crypto';
import { defineExercise, eventually, hold, PATIENCE_MS } from '../check/exercise.ts';
import { type Fate, meanwhile } from '../check/link.ts';
import { openPods } from '../check/pods.ts';
import { askUntilAnswered, type Services } from '../check/services.ts';
import { dice, openShop, type Shop, startStored } from '../check/shop.ts';

const PRICE = 12;
const PURSE = 100;
/** More than a purse can pay. */
const TOO_MANY = 10;
const SAGA = 'services/orders/src/saga.ts';

interface Order {
  orderId: string;
  productId: number;
  quantity: number;
  customer: string;
}

/** The three services, and every order that was placed there. */
interface Context extends AsyncDisposable {
  services: Services;
  placed: Order[];
  /** Does `work` while payments is asked in vain: where links can do that, it has taken the money. */
  silence<T>(work: () => Promise<T>): Promise<T>;
  /** Does `work` while all that can go wrong does. */
  badDay<T>(work: () => Promise<T>): Promise<T>;
}

interface Offline extends Context {
  services: Shop;
}

const startOrders = (shop: Shop) => startStored(shop, 'orders', { PRICE: String(PRICE) });

const newOrder = (productId: number, quantity = 1): Order => ({
  orderId: randomUUID(),
  productId,
  quantity,
  customer: `customer-${randomUUID().slice(0, 8)}`,
});

/** Asks for an order, as often as it takes to get an answer. */
async function place({ services, placed }: Context, order: Order) {
  if (!placed.includes(order)) placed.push(order);
  const { orderId, ...json } = order;
  return askUntilAnswered(services, 'orders', `/orders/${orderId}`, { method: 'PUT', json });
}

async function stateOf(context: Context, { orderId }: Order): Promise<string> {
  const answer = await askUntilAnswered(context.services, 'orders', `/orders/${orderId}`);
  return answer.status === 200 ? String((answer.json() as { state: unknown }).state) : `answered ${answer.status}`;
}

/** Waits for the end that an order comes to. */
const end = (context: Context, order: Order, cause: string, deadlineMs = PATIENCE_MS) => {
  let state = '';
  return eventually(
    async () => {
      state = await stateOf(context, order);
      return state === 'confirmed' || state === 'cancelled' ? state : undefined;
    },
    () => ({ expected: 'the order comes to an end: confirmed or cancelled', seen: state, cause, look: SAGA }),
    deadlineMs,
  );
};

const moneyTaken = async (context: Context) =>
  ((await askUntilAnswered(context.services, 'payments', '/money')).json() as { taken: number }).taken;
const booksHeld = async (context: Context, productId: number) =>
  ((await askUntilAnswered(context.services, 'stock', `/stock/${productId}`)).json() as { held: number }).held;

/** Every book that is held and every coin that was taken belongs to a confirmed order. To be asked when all are at an end. */
async function balance(context: Context, cause: string): Promise<void> {
  const { placed } = context;
  const states = await Promise.all(placed.map((order) => stateOf(context, order)));
  const confirmed = placed.filter((_, i) => states[i] === 'confirmed');
  const sum = (orders: Order[]) => orders.reduce((total, { quantity }) => total + quantity, 0);
  const money = await moneyTaken(context);
  hold(money === PRICE * sum(confirmed), {
    expected: `money for ${sum(confirmed)} confirmed books: ${PRICE * sum(confirmed)}`,
    seen: `${money} taken`,
    cause,
    look: SAGA,
  });
  for (const productId of new Set(placed.map((order) => order.productId))) {
    const sold = sum(confirmed.filter((order) => order.productId === productId));
    const held = await booksHeld(context, productId);
    hold(held === sold, {
      expected: `${sold} books of product ${productId} held, as many as are confirmed`,
      seen: `${held} held: ${held > sold ? 'some are kept for nobody' : 'some are sold and on the shelf at once'}`,
      cause,
      look: SAGA,
    });
  }
}

/** On the link payments takes the money, and nobody hears of it; nothing gets there that would give it back. */
export const silentLink = <T>(shop: Shop, work: () => Promise<T>): Promise<T> =>
  meanwhile(shop.link('orders', 'payments'), ({ method }) => (method === 'PUT' ? 'cut' : 'refuse'), work);

/** In the mesh nothing that payments is asked gets there. */
export const silentMesh = <T>(services: Services, work: () => Promise<T>): Promise<T> =>
  services.disturb('payments', { status: 503 }, work);

/** On the links nearly everything goes wrong. */
function badLinks<T>({ services: shop }: Offline, work: () => Promise<T>): Promise<T> {
  const roll = dice(1);
  const bad = (): Fate => {
    const fate = roll();
    return fate < 0.1 ? 'refuse' : fate < 0.25 ? 'cut' : fate < 0.35 ? 'repeat' : 'pass';
  };
  const hops = [shop.link('orders', 'stock'), shop.link('orders', 'payments'), shop.link('client', 'orders')];
  for (const hop of hops) hop.fate = ({ method }) => (method === 'GET' ? 'pass' : bad());
  return work().finally(() => {
    for (const hop of hops) hop.fate = () => 'pass';
  });
}

/** Half of what payments is asked fails on the way, and pods end in the middle of it. */
const badMesh = <T>({ services }: Context, work: () => Promise<T>): Promise<T> =>
  services.disturb('payments', { status: 503, share: 0.5 }, async () => {
    const crashes = async () => {
      for (const workload of ['payments-v1', 'stock-v1', 'orders-v1']) await services.crash(workload);
    };
    const [worked, crashed] = await Promise.allSettled([work(), crashes()]);
    if (worked.status === 'rejected') throw worked.reason;
    if (crashed.status === 'rejected') throw crashed.reason;
    return worked.value;
  });

export default defineExercise<Context, Offline>({
  title: { en: 'Buy a book, or leave no trace of it', ko: '책을 사거나, 아무것도 남기지 않거나' },
  day: 1,
  minutes: 90,
  services: { orders: { store: true }, stock: { store: true }, payments: { store: true } },

  async open(tree, { signal }) {
    const shop = await openShop(tree, signal, async (opened) => {
      await Promise.all([
        startStored(opened, 'stock', { BOOKS: '1000' }),
        startStored(opened, 'payments', { PURSE: String(PURSE) }),
        startOrders(opened),
      ]);
    });
    const context: Offline = {
      services: shop,
      placed: [],
      silence: (work) => silentLink(shop, work),
      badDay: (work) => badLinks(context, work),
      [Symbol.asyncDispose]: () => shop[Symbol.asyncDispose](),
    };
    return context;
  },
  async openInCluster(_tree, { signal, cluster }) {
    const workloads = ['orders-v1', 'stock-v1', 'payments-v1'];
    const services = await openPods(cluster, { workloads, anew: true, signal });
    const context: Context = {
      services,
      placed: [],
      silence: (work) => silentMesh(services, work),
      badDay: (work) => badMesh(context, work),
      [Symbol.asyncDispose]: () => services[Symbol.asyncDispose](),
    };
    return context;
  },

  questions: [
    {
      name: 'An order that nobody refuses is confirmed, paid and held',
      async ask(context) {
        const answer = await place(context, newOrder(0, 2));
        const { state } = answer.json() as { state?: unknown };
        hold(answer.status === 200 && state === 'confirmed', {
          expected: '200 with the state confirmed',
          seen: `${answer.status} ${answer.text}`,
          look: SAGA,
        });
        await balance(context, 'a step was left out');
      },
    },
    {
      name: 'An order that stock or payments refuses is cancelled, and leaves nothing behind',
      hint: 1,
      async ask(context) {
        const orders = [newOrder(1, TOO_MANY), { ...newOrder(1), quantity: 3 }];
        const [poor] = orders as [Order, Order];
        const answer = await place(context, poor);
        const held = await booksHeld(context, 1);
        hold(answer.status === 200 && (answer.json() as { state?: unknown }).state === 'cancelled' && held === 0, {
          expected: `an order that ${poor.customer} cannot pay is cancelled, and no book is held for it`,
          seen: `answered ${answer.status} ${answer.text}, and ${held} books are held`,
          cause: 'what was done before the refusal is not undone',
          look: SAGA,
        });
        await context.services.disturb('stock', { status: 409, methods: ['PUT'] }, () =>
          place(context, orders[1] as Order),
        );
        hold((await end(context, orders[1] as Order, 'a refusal of stock is the end')) === 'cancelled', {
          expected: 'an order that stock refuses is cancelled',
          seen: 'it is confirmed',
          look: SAGA,
        });
        await balance(context, 'an order that stock refuses goes on to payments');
      },
    },
    {
      name: 'Whoever asks twice buys once',
      async ask(context) {
        const order = newOrder(2, 2);
        await Promise.all([place(context, order), place(context, order)]);
        await place(context, order);
        await end(context, order, 'two requests for one order get in each other’s way');
        await balance(context, 'the second request for an order is taken for a second order');
      },
    },
    {
      name: 'A step whose answer is lost is not done twice',
      hint: 2,
      offline: 'a rule of the mesh keeps requests from arriving, and loses no answer',
      async ask(context) {
        for (const service of ['stock', 'payments']) {
          const order = newOrder(3);
          let lost = 0;
          await meanwhile(
            context.services.link('orders', service),
            ({ method }) => (method === 'PUT' && lost++ === 0 ? 'cut' : 'pass'),
            () => place(context, order),
          );
          await end(context, order, 'a step without an answer is neither asked again nor undone');
          await balance(
            context,
            `${service} did the step, and its answer was lost: asked again under another id, it did it once more`,
          );
        }
      },
    },
    {
      name: 'A step that never answers is undone, last things first',
      hint: 2,
      async ask(context) {
        const order = newOrder(4);
        await context.silence(async () => {
          await place(context, order);
          const state = await stateOf(context, order);
          hold(state === 'pending', {
            expected: 'money is given back when payments did not answer, for it may have been taken',
            seen: `the order is ${state}, and payments has heard nothing of it`,
            cause: 'no answer is taken for a refusal',
            look: SAGA,
          });
          const held = await booksHeld(context, order.productId);
          hold(held === order.quantity, {
            expected: 'the book stays held as long as its money has not been given back',
            seen: 'it is on the shelf again, and the money may still be with us',
            cause: 'what was done first is undone first',
            look: SAGA,
          });
        });
        const state = await end(context, order, 'undoing is given up when it fails once');
        hold(state === 'cancelled', { expected: 'the order is cancelled', seen: state, look: SAGA });
        await balance(context, 'a step without an answer is not undone');
      },
    },
    {
      name: 'An order that is pending when orders ends is not forgotten',
      hint: 3,
      async ask(context) {
        const order = newOrder(5);
        await context.silence(async () => {
          await place(context, order);
          await context.services.crash('orders-v1');
          const state = await stateOf(context, order);
          hold(state === 'pending', {
            expected: 'the order is pending when orders begins again',
            seen: state,
            cause: 'where an order stands is kept in memory',
            look: SAGA,
          });
        });
        const state = await end(context, order, 'nobody goes on with what was pending when orders began');
        hold(state === 'cancelled', { expected: 'the order is cancelled', seen: state, look: SAGA });
        await balance(context, 'what was pending is not undone to the end');
      },
    },
    {
      name: 'Orders goes on where it was killed, at every step',
      hint: 3,
      offline: 'no step lasts long enough to be hit from outside of its pod',
      async ask(context) {
        const { services: shop } = context;
        for (const [service, method, fate] of [
          ['stock', 'PUT', 'refuse'],
          ['stock', 'PUT', 'cut'],
          ['payments', 'PUT', 'refuse'],
          ['payments', 'PUT', 'cut'],
          ['payments', 'DELETE', 'refuse'],
          ['payments', 'DELETE', 'cut'],
          ['stock', 'DELETE', 'refuse'],
          ['stock', 'DELETE', 'cut'],
        ] as const) {
          const order = newOrder(5);
          const when = `killed ${fate === 'cut' ? 'after' : 'before'} ${service} had done its ${method}`;
          // The way to the steps that undo: payments never answers.
          shop.link('orders', 'payments').fate = (it) => (method === 'DELETE' && it.method === 'PUT' ? 'cut' : 'pass');
          const link = shop.link('orders', service);
          const before = link.fate;
          const killed = Promise.withResolvers<void>();
          link.fate = (request) => {
            if (request.method !== method) return before(request);
            link.fate = before;
            shop.kill('orders-v1').then(killed.resolve, killed.reject);
            return fate;
          };
          context.placed.push(order);
          const { orderId, ...json } = order;
          await shop.ask('orders', `/orders/${orderId}`, { method: 'PUT', json });
          await eventually(
            () => (link.fate === before ? true : undefined),
            () => ({ expected: `${service} is asked to ${method}`, seen: 'it is not', look: SAGA }),
            PATIENCE_MS,
          );
          await killed.promise;
          await startOrders(shop);
          const cause = `${when}: where an order stands is kept in memory, or nobody goes on with it`;
          await end(context, order, cause);
          for (const to of ['stock', 'payments']) shop.link('orders', to).fate = () => 'pass';
          await balance(context, when);
        }
      },
    },
    {
      name: '200 orders on a bad day: every coin and every book belongs to a confirmed order',
      async ask(context) {
        const roll = dice(2);
        const orders = Array.from({ length: 200 }, (_, i) =>
          newOrder(10 + (i % 20), roll() < 0.2 ? TOO_MANY : 1 + (i % 3)),
        );
        const queue = [...orders];
        await context.badDay(async () => {
          await Promise.all(
            Array.from({ length: 10 }, async () => {
              for (let order = queue.pop(); order; order = queue.pop()) await place(context, order);
            }),
          );
          for (const order of orders)
            await end(context, order, 'undoing is given up, or in the way of another try', 120_000);
        });
        await balance(context, 'lost answers, repeated and refused requests, all at once');
      },
    },
    {
      name: 'A cancelled order is one trace',
      async ask(context) {
        const answer = await place(context, newOrder(6, TOO_MANY));
        const steps = ['PUT /reservations/{orderId}', 'PUT /payments/{orderId}', 'DELETE /reservations/{orderId}'];
        await context.services.trace(answer.traceId, `one trace from orders through ${steps.join(', ')}`, (spans) =>
          steps.every((step) => spans.some(({ name, kind }) => kind === 2 && name === step)),
        );
      },
    },
  ],

  refused: {
    start: 'what was done before the refusal is not undone',
    wrong: {
      'no-undo-without-answer': 'money is given back when payments did not answer',
      'first-things-first': 'the book stays held as long as its money has not been given back',
      'in-memory': 'where an order stands is kept in memory',
      'new-id-for-each-try': 'asked again under another id',
    },
    inCluster: {
      start: 'what was done before the refusal is not undone',
      'no-undo-without-answer': 'money is given back when payments did not answer',
      'first-things-first': 'the book stays held as long as its money has not been given back',
      'in-memory': 'where an order stands is kept in memory',
    },
  },
});
