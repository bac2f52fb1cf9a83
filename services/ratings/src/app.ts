import { type App, createApp, HttpError } from '@bookinfo/chassis';
import { RatedProduct, RatingsToStore } from '@bookinfo/contract';
import { Type } from 'typebox';
import { Value } from 'typebox/value';
import type { Config } from './config.ts';
import { createFaults } from './faults.ts';
import { openStore } from './store/open.ts';

const Params = Type.Object({ productId: Type.String({ pattern: '^[0-9]{1,15}$' }) });

export async function buildApp(config: Config): Promise<App> {
  const app = await createApp('ratings', config);
  const faults = createFaults(config);
  const store = await openStore(config, app.log);
  app.addHook('onClose', () => store.close());

  // Clients post JSON under any content type: `curl -d` calls it a form.
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', { parseAs: 'string' }, (_request, body, done) => done(null, body));

  app.get('/health', async (_request, reply) =>
    faults.unhealthy() ? reply.code(500).send({ status: 'Ratings is not healthy' }) : { status: 'Ratings is healthy' },
  );

  app.register(async (routes) => {
    routes.addHook('onRequest', () => faults.strike());
    const schema = { params: Params, response: { 200: RatedProduct } };
    const schemaErrorFormatter = () => new HttpError(400, 'please provide numeric product ID');

    routes.get<{ Params: { productId: string } }>('/ratings/:productId', {
      schema,
      schemaErrorFormatter,
      handler: async ({ params }) => {
        const id = Number(params.productId);
        return { id, ratings: await store.read(id) };
      },
    });

    routes.post<{ Params: { productId: string }; Body: unknown }>('/ratings/:productId', {
      schema,
      schemaErrorFormatter,
      handler: async ({ params, body }) => {
        const id = Number(params.productId);
        const posted = parseJson(body);
        if (!store.write) throw new HttpError(501, 'Post not implemented for database backed ratings');
        if (!Value.Check(RatingsToStore, posted)) {
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
