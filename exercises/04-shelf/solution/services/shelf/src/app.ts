import { type App, createApp, HttpError } from '@bookinfo/chassis';
import { ProductParams, ShelvedBook } from '@bookinfo/contract';
import { Gauge } from 'prom-client';
import type { Config } from './config.ts';
import { openShelf } from './shelf.ts';

export async function buildApp(config: Config): Promise<App> {
  const app = await createApp('shelf', config);
  const shelf = openShelf(app, config);
  new Gauge({
    name: 'shelf_feed_lag_events',
    help: 'Events of the feed that are not on the shelf yet.',
    registers: [app.metrics],
    // Whenever somebody looks: who is held up does not get to say so.
    collect() {
      this.set(shelf.lag());
    },
  });

  app.get('/health', async () => ({ status: 'Shelf is healthy' }));

  app.get('/shelf/:productId', {
    schema: { params: ProductParams, response: { 200: ShelvedBook } },
    handler: async ({ params }) => {
      const book = shelf.of(Number(params.productId));
      if (book) return book;
      if (shelf.lag() !== 0) throw new HttpError(503, 'the shelf is being filled');
      throw new HttpError(404, 'nobody has reviewed this book');
    },
  });

  return app;
}
