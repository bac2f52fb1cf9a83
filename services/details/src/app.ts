import { type App, createApp, HttpError } from '@bookinfo/chassis';
import { BookDetails, NUMERIC_ID_WANTED, ProductParams } from '@bookinfo/contract';
import type { Config } from './config.ts';
import { connectGoogleBooks } from './google-books.ts';
import { staticBook } from './static-book.ts';

export async function buildApp(config: Config): Promise<App> {
  const app = await createApp('details', config);
  const googleBooks = config.ENABLE_EXTERNAL_BOOK_SERVICE ? connectGoogleBooks(app, config) : undefined;

  app.get('/health', async () => ({ status: 'Details is healthy' }));

  app.get('/details/:productId', {
    schema: { params: ProductParams, response: { 200: BookDetails } },
    schemaErrorFormatter: () => new HttpError(400, NUMERIC_ID_WANTED),
    handler: async ({ params, log }) => {
      const id = Number(params.productId);
      return googleBooks ? await googleBooks.find(id, log) : staticBook(id);
    },
  });

  return app;
}
