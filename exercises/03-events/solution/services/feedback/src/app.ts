import { type App, createApp, HttpError } from '@bookinfo/chassis';
import { AsOfQuery, Feed, Feedback, FeedbackParams, FeedQuery, Opinion, ProductParams } from '@bookinfo/contract';
import type { Config } from './config.ts';
import { openEvents } from './events.ts';
import { openOpinions } from './opinions.ts';

export async function buildApp(config: Config): Promise<App> {
  const app = await createApp('feedback', config);
  const events = openEvents(app, config);
  const opinions = openOpinions(events);

  app.get('/health', async () => ({ status: 'Feedback is healthy' }));

  app.get('/events', {
    schema: { querystring: FeedQuery, response: { 200: Feed } },
    handler: async ({ query }) => ({ events: await events.after(Number(query.after)), newest: events.newest() }),
  });

  app.get('/feedback/:productId', {
    schema: { params: ProductParams, querystring: AsOfQuery, response: { 200: Feedback } },
    handler: async ({ params, query }) => {
      const productId = Number(params.productId);
      return {
        productId,
        opinions: opinions.of(productId, query.asOf === undefined ? undefined : readDate(query.asOf)),
      };
    },
  });

  app.put('/feedback/:productId/:reviewer', {
    schema: { params: FeedbackParams, body: Opinion, response: { 200: Feedback } },
    handler: async (request) => {
      const productId = Number(request.params.productId);
      opinions.give(productId, request.params.reviewer, request.body, request);
      return { productId, opinions: opinions.of(productId) };
    },
  });

  app.delete('/feedback/:productId/:reviewer', {
    schema: { params: FeedbackParams, response: { 200: Feedback } },
    handler: async (request) => {
      const productId = Number(request.params.productId);
      opinions.withdraw(productId, request.params.reviewer, request);
      return { productId, opinions: opinions.of(productId) };
    },
  });

  return app;
}

function readDate(text: string): Date {
  const date = new Date(text);
  if (Number.isNaN(date.getTime())) throw new HttpError(400, 'asOf is no date and time such as 2026-10-20T09:00:00Z');
  return date;
}
