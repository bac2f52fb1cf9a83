import { type App, createApp } from '@bookinfo/chassis';
import { ProductParams, StarsOfProduct } from '@bookinfo/contract';
import type { Config } from './config.ts';
import { openStars } from './stars.ts';

export async function buildApp(config: Config): Promise<App> {
  const app = await createApp('stars', config);
  const stars = openStars(app, config);

  app.get('/health', async () => ({ status: 'Stars is healthy' }));

  app.get('/stars/:productId', {
    schema: { params: ProductParams, response: { 200: StarsOfProduct } },
    handler: async ({ params }) => {
      const productId = Number(params.productId);
      const given = Object.values(stars.of(productId));
      return { productId, readers: given.length, stars: given.reduce((sum, it) => sum + it, 0) };
    },
  });

  return app;
}
