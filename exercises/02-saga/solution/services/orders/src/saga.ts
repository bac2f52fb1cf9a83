import { type App, type Caller, callerOf, HttpError, onBehalfOf, originOf } from '@bookinfo/chassis';
import type { Order, OrderToPlace } from '@bookinfo/contract';
import type { FastifyRequest } from 'fastify';
import { connectBackends } from './backends.ts';
import type { Config } from './config.ts';
import { describe, type Next, openOrders, type PlacedOrder, type Step } from './orders.ts';

/** How often orders that could not come to an end are looked at again. */
const RETRY_MS = 1000;

export interface Saga {
  /** Takes an order as far as it gets. Asked again with the same id, it tells what has become of it. */
  place(order: OrderToPlace & { orderId: string }, request: FastifyRequest): Promise<Order>;
  find(orderId: string): Order | undefined;
}

/** Where an order goes from a step; nowhere yet, when the step has to be taken again. */
type Move = { next: Next; reason?: string } | undefined;

export function openSaga(app: App, config: Config): Saga {
  const orders = openOrders(app, config);
  const { reservations, payments } = connectBackends(app, config);

  /**
   * Forwards `reserve`, `pay`; backwards `refund`, `release`: what was done last is undone first. No answer is no refusal: the
   * step may have been done, so it is undone as well. Undoing is not refused and never given up.
   */
  const steps: Record<Step, (order: PlacedOrder, caller: Caller) => Promise<Move>> = {
    async reserve({ orderId, productId, quantity }, caller) {
      const held = await reservations.put({ orderId }, { productId, quantity }, caller);
      if (held.ok) return { next: 'pay' };
      if (held.status === 409) return { next: 'cancelled', reason: 'sold out' };
      return { next: 'release', reason: 'stock did not answer' };
    },
    async pay({ orderId, customer, quantity }, caller) {
      const paid = await payments.put({ orderId }, { customer, amount: quantity * config.PRICE }, caller);
      if (paid.ok) return { next: 'confirmed' };
      if (paid.status === 402) return { next: 'release', reason: 'not enough money' };
      return { next: 'refund', reason: 'payments did not answer' };
    },
    async refund({ orderId }, caller) {
      const returned = await payments.delete({ orderId }, caller);
      return returned.ok ? { next: 'release' } : undefined;
    },
    async release({ orderId }, caller) {
      const released = await reservations.delete({ orderId }, caller);
      return released.ok ? { next: 'cancelled' } : undefined;
    },
  };

  /** Takes one step after the other. Each is stored before the next one begins, so that a new process goes on from there. */
  async function advance(order: PlacedOrder, caller: Caller): Promise<void> {
    let { next } = order;
    while (next !== 'confirmed' && next !== 'cancelled') {
      const move: Move = await steps[next](order, caller);
      if (!move) return;
      orders.move(order.orderId, move.next, move.reason);
      next = move.next;
    }
  }

  const underWay = new Map<string, Promise<void>>();
  /** One at a time for each order, whoever asks. */
  function finish(order: PlacedOrder, caller: Caller): Promise<void> {
    const begun = underWay.get(order.orderId);
    if (begun) return begun;
    const work = advance(order, caller).finally(() => underWay.delete(order.orderId));
    underWay.set(order.orderId, work);
    return work;
  }

  const finishAll = () => {
    for (const order of orders.pending()) {
      void onBehalfOf(order.origin, app.log, (caller) => finish(order, caller));
    }
  };
  app.addHook('onListen', async () => finishAll());
  const timer = setInterval(finishAll, RETRY_MS).unref();
  app.addHook('onClose', async () => {
    clearInterval(timer);
    await Promise.all(underWay.values());
  });

  return {
    async place(order, request) {
      const placed = orders.add(order, originOf(request));
      const { productId, quantity, customer } = placed;
      if (productId !== order.productId || quantity !== order.quantity || customer !== order.customer) {
        throw new HttpError(409, 'this id belongs to another order');
      }
      await finish(placed, callerOf(request));
      return describe(orders.find(order.orderId) ?? placed);
    },
    find(orderId) {
      const order = orders.find(orderId);
      return order && describe(order);
    },
  };
}
