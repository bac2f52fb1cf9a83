import { type App, createApp } from '@bookinfo/chassis';
import { Feedback, FeedbackParams, Opinion, ProductParams } from '@bookinfo/contract';
import type { Config } from './config.ts';
import { openOpinions } from './opinions.ts';

export async function buildApp(config: Config): Promise<App> {
  const app = await createApp('feedback', config);
  const opinions = openOpinions(app, config);

  app.get('/health', async () => ({ status: 'Feedback is healthy' }));

  app.get('/feedback/:productId', {
    schema: { params: ProductParams, response: { 200: Feedback } },
    handler: async ({ params }) => {
      const productId = Number(params.productId);
      return { productId, opinions: opinions.of(productId) };
    },
  });

  app.put('/feedback/:productId/:reviewer', {
    schema: { params: FeedbackParams, body: Opinion, response: { 200: Feedback } },
    handler: async (request) => {
      const productId = Number(request.params.productId);
      await opinions.give(productId, request.params.reviewer, request.body, request);
      return { productId, opinions: opinions.of(productId) };
    },
  });

  app.delete('/feedback/:productId/:reviewer', {
    schema: { params: FeedbackParams, response: { 200: Feedback } },
    handler: async (request) => {
      const productId = Number(request.params.productId);
      await opinions.withdraw(productId, request.params.reviewer, request);
      return { productId, opinions: opinions.of(productId) };
    },
  });

  return app;
}
