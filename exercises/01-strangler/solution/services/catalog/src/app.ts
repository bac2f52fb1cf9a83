import { type App, createApp } from '@bookinfo/chassis';
import { Product } from '@bookinfo/contract';
import type { Config } from './config.ts';
import { PRODUCT } from './products.ts';

export async function buildApp(config: Config): Promise<App> {
  const app = await createApp('catalog', config);

  app.get('/health', async () => ({ status: 'Catalog is healthy' }));

  // The path of the public API, so that a gateway can send requests here as they are.
  const products = { type: 'array', items: Product } as const;
  app.get('/api/v1/products', { schema: { response: { 200: products } } }, async () => [PRODUCT]);

  return app;
}
