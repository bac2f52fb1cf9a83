import { type App, callerOf, HttpError } from '@bookinfo/chassis';
import type { Order, OrderToPlace } from '@bookinfo/contract';
import type { FastifyRequest } from 'fastify';
import { connectBackends } from './backends.ts';
import type { Config } from './config.ts';

export interface Saga {
  /** Takes an order as far as it gets. Asked again with the same id, it tells what has become of it. */
  place(order: OrderToPlace & { orderId: string }, request: FastifyRequest): Promise<Order>;
  find(orderId: string): Order | undefined;
}

export function openSaga(app: App, config: Config): Saga {
  const { reservations, payments } = connectBackends(app, config);
  const orders = new Map<string, Order>();

  return {
    // It works as long as everybody says yes.
    async place({ orderId, productId, quantity, customer }, request) {
      const known = orders.get(orderId);
      if (known) return known;
      const order: Order = { orderId, productId, quantity, customer, state: 'pending' };
      orders.set(orderId, order);

      const held = await reservations.put({ orderId }, { productId, quantity }, callerOf(request));
      if (!held.ok) throw new HttpError(held.status, 'the books could not be held');
      const paid = await payments.put({ orderId }, { customer, amount: quantity * config.PRICE }, callerOf(request));
      if (!paid.ok) throw new HttpError(paid.status, 'the money could not be taken');

      order.state = 'confirmed';
      return order;
    },
    find: (orderId) => orders.get(orderId),
  };
}
