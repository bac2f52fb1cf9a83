import { type App, createApp, HttpError } from '@bookinfo/chassis';
import { BookDetails } from '@bookinfo/contract';
import { Type } from 'typebox';
import type { Config } from './config.ts';
import { createGoogleBooks } from './google-books.ts';
import { staticBook } from './static-book.ts';

const Params = Type.Object({ productId: Type.String({ pattern: '^[0-9]{1,15}$' }) });

export async function buildApp(config: Config): Promise<App> {
  const app = await createApp('details', config);
  const googleBooks = config.ENABLE_EXTERNAL_BOOK_SERVICE ? createGoogleBooks(config) : undefined;
  app.addHook('onClose', async () => googleBooks?.close());

  app.get('/health', async () => ({ status: 'Details is healthy' }));

  app.get('/details/:productId', {
    schema: { params: Params, response: { 200: BookDetails } },
    schemaErrorFormatter: () => new HttpError(400, 'please provide numeric product id'),
    handler: async ({ params, log }) => {
      const id = Number(params.productId);
      return googleBooks ? await googleBooks.find(id, log) : staticBook(id);
    },
  });

  return app;
}
