import { type App, createApp, HttpError } from '@bookinfo/chassis';
import { BooksToHold, OrderParams, ProductParams, Reservation, Stock } from '@bookinfo/contract';
import type { Config } from './config.ts';
import { openReservations } from './reservations.ts';

export async function buildApp(config: Config): Promise<App> {
  const app = await createApp('stock', config);
  const reservations = openReservations(app, config);

  app.get('/health', async () => ({ status: 'Stock is healthy' }));

  app.get('/stock/:productId', {
    schema: { params: ProductParams, response: { 200: Stock } },
    handler: async ({ params }) => {
      const productId = Number(params.productId);
      const held = reservations.held(productId);
      return { productId, left: config.BOOKS - held, held };
    },
  });

  app.put('/reservations/:orderId', {
    schema: { params: OrderParams, body: BooksToHold, response: { 200: Reservation } },
    handler: async ({ params, body }) => {
      const state = reservations.hold(params.orderId, body);
      if (state === 'released') throw new HttpError(409, 'this order has already given its books back');
      if (state === 'sold out') throw new HttpError(409, 'not enough books are left');
      return { orderId: params.orderId, state };
    },
  });

  app.delete('/reservations/:orderId', {
    schema: { params: OrderParams, response: { 200: Reservation } },
    handler: async ({ params }) => {
      reservations.release(params.orderId);
      return { orderId: params.orderId, state: 'released' as const };
    },
  });

  return app;
}
