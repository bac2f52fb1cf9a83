import { type App, createApp, HttpError } from '@bookinfo/chassis';
import { Order, OrderParams, OrderToPlace } from '@bookinfo/contract';
import type { Config } from './config.ts';
import { openSaga } from './saga.ts';

export async function buildApp(config: Config): Promise<App> {
  const app = await createApp('orders', config);
  const saga = openSaga(app, config);

  app.get('/health', async () => ({ status: 'Orders is healthy' }));

  app.put('/orders/:orderId', {
    schema: { params: OrderParams, body: OrderToPlace, response: { 200: Order, 202: Order } },
    handler: async (request, reply) => {
      const order = await saga.place({ ...request.body, orderId: request.params.orderId }, request);
      return reply.code(order.state === 'pending' ? 202 : 200).send(order);
    },
  });

  app.get('/orders/:orderId', {
    schema: { params: OrderParams, response: { 200: Order } },
    handler: async ({ params }) => {
      const order = saga.find(params.orderId);
      if (!order) throw new HttpError(404, 'no such order');
      return order;
    },
  });

  return app;
}
