import { type App, createApp, HttpError } from '@bookinfo/chassis';
import { NUMERIC_ID_WANTED, ProductParams } from '@bookinfo/contract';
import { Sample } from '../contract.ts';
import { connectBackends } from './backends.ts'; // with --calls
import type { Config } from './config.ts';
import { openStore } from './store.ts'; // with --store

export async function buildApp(config: Config): Promise<App> {
  const app = await createApp('sample', config);
  const backends = connectBackends(app, config); // with --calls
  const store = openStore(app, config); // with --store

  app.get('/health', async () => ({ status: 'Sample is healthy' }));

  const route = {
    schema: { params: ProductParams, response: { 200: Sample } },
    schemaErrorFormatter: () => new HttpError(400, NUMERIC_ID_WANTED),
  };

  app.get('/sample/:productId', {
    ...route,
    handler: async (request) => {
      const id = Number(request.params.productId);
      return {
        id,
        text: 'nothing yet',
        ...store.find(id), // with --store
        answered: await backends.answering(id, request), // with --calls
      };
    },
  });
  // with --store

  const body = { type: 'object', required: ['text'], properties: { text: { type: 'string', maxLength: 1000 } } } as const;
  app.put('/sample/:productId', {
    ...route,
    schema: { ...route.schema, body },
    schemaErrorFormatter: () => new HttpError(400, 'please provide a numeric product id, and a text'),
    handler: async (request) => {
      const id = Number(request.params.productId);
      store.put(id, request.body.text);
      return { id, text: request.body.text };
    },
  });
  // end

  return app;
}
