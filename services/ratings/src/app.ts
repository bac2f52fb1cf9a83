import { type App, createApp, HttpError, validatorOf } from '@bookinfo/chassis';
import { ProductParams, RatedProduct, RatingsToStore } from '@bookinfo/contract';
import type { Config } from './config.ts';
import { createFaults } from './faults.ts';
import { openStore } from './store/open.ts';

const areRatings = validatorOf(RatingsToStore);

export async function buildApp(config: Config): Promise<App> {
  const app = await createApp('ratings', config);
  const faults = createFaults(config);
  const store = await openStore(app, config);

  app.get('/health', async (_request, reply) =>
    faults.unhealthy() ? reply.code(500).send({ status: 'Ratings is not healthy' }) : { status: 'Ratings is healthy' },
  );

  await app.register(async (routes: App) => {
    // Clients post JSON under any content type: `curl -d` calls it a form.
    routes.removeAllContentTypeParsers();
    routes.addContentTypeParser('*', { parseAs: 'string' }, (_request, body, done) => done(null, body));
    routes.addHook('onRequest', () => faults.inject());
    const schema = { params: ProductParams, response: { 200: RatedProduct } };
    // The other services write "id"; tutorials show both.
    const schemaErrorFormatter = () => new HttpError(400, 'please provide numeric product ID');

    routes.get('/ratings/:productId', {
      schema,
      schemaErrorFormatter,
      handler: async ({ params, log }) => {
        const id = Number(params.productId);
        return { id, ratings: await store.read(id, log) };
      },
    });

    routes.post('/ratings/:productId', {
      schema,
      schemaErrorFormatter,
      handler: async ({ params, body }) => {
        const id = Number(params.productId);
        const posted = parseJson(body);
        if (!store.write) throw new HttpError(501, 'Post not implemented for database backed ratings');
        if (!areRatings(posted)) {
          throw new HttpError(400, 'please provide valid ratings JSON: integers from 1 to 5 by reviewer name');
        }
        return { id, ratings: store.write(id, posted) };
      },
    });
  });

  return app;
}

function parseJson(body: unknown): unknown {
  try {
    return JSON.parse(String(body ?? ''));
  } catch {
    throw new HttpError(400, 'please provide valid ratings JSON');
  }
}
