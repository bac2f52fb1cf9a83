import { type App, callerOf, createApp, HttpError } from '@bookinfo/chassis';
import { ProductParams, ShelvedBook } from '@bookinfo/contract';
import type { Config } from './config.ts';
import { openShelf } from './shelf.ts';

export async function buildApp(config: Config): Promise<App> {
  const app = await createApp('shelf', config);
  const shelf = openShelf(app, config);

  app.get('/health', async () => ({ status: 'Shelf is healthy' }));

  app.get('/shelf/:productId', {
    schema: { params: ProductParams, response: { 200: ShelvedBook } },
    handler: async (request) => {
      const book = await shelf.of(Number(request.params.productId), callerOf(request));
      if (!book) throw new HttpError(404, 'nobody has reviewed this book');
      return book;
    },
  });

  return app;
}
