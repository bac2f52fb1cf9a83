import { type App, createApp, HttpError } from '@bookinfo/chassis';
import { Money, MoneyToTake, OrderParams, Payment } from '@bookinfo/contract';
import type { Config } from './config.ts';
import { openLedger } from './ledger.ts';

export async function buildApp(config: Config): Promise<App> {
  const app = await createApp('payments', config);
  const ledger = openLedger(app, config);

  app.get('/health', async () => ({ status: 'Payments is healthy' }));

  app.get('/money', {
    schema: { response: { 200: Money } },
    handler: async () => ({ taken: ledger.taken() }),
  });

  app.put('/payments/:orderId', {
    schema: { params: OrderParams, body: MoneyToTake, response: { 200: Payment } },
    handler: async ({ params, body }) => {
      const state = ledger.take(params.orderId, body);
      if (state === 'returned') throw new HttpError(409, 'this order has already got its money back');
      if (state === 'too little') throw new HttpError(402, `${body.customer} has not enough money`);
      return { orderId: params.orderId, state };
    },
  });

  app.delete('/payments/:orderId', {
    schema: { params: OrderParams, response: { 200: Payment } },
    handler: async ({ params }) => {
      ledger.giveBack(params.orderId);
      return { orderId: params.orderId, state: 'returned' as const };
    },
  });

  return app;
}
