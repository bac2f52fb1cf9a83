import { fileURLToPath } from 'node:url';
import { type App, createApp } from '@bookinfo/chassis';
import accepts from '@fastify/accepts';
import cookie from '@fastify/cookie';
import formbody from '@fastify/formbody';
import multipart from '@fastify/multipart';
import serveStatic from '@fastify/static';
import { connectBackends } from './backends.ts';
import type { Config } from './config.ts';
import { apiRoutes } from './routes/api.ts';
import { pageRoutes } from './routes/pages.ts';
import { signInRoutes } from './routes/sign-in.ts';

/** Half of what the services behind the page take, so that no page fails by the headers that are passed on to them. */
const MAX_HEADER_BYTES = 16 * 1024;

/** Of a sign-in by `curl -F`. */
const MULTIPART_LIMITS = { files: 0, parts: 10, fieldSize: 1024, fieldNameSize: 64 };

export async function buildApp(config: Config): Promise<App> {
  const app = await createApp('productpage', config, {
    maxHeaderSize: MAX_HEADER_BYTES,
    trustProxy: config.TRUSTED_PROXIES.split(','),
  });
  if (config.SESSION_SECRET_IS_RANDOM) {
    app.log.warn('SESSION_SECRET is not set: sign-ins end with this process and no other pod knows them');
  }
  const backends = connectBackends(app, config);

  app.get('/health', async (_request, reply) => reply.type('text/plain').send('Product page is healthy'));

  await app.register(accepts);
  await app.register(cookie, { secret: config.SESSION_SECRET });
  await app.register(formbody);
  await app.register(multipart, { limits: MULTIPART_LIMITS });
  await app.register(serveStatic, {
    root: fileURLToPath(new URL('../static', import.meta.url)),
    prefix: '/static/',
    // Browsers ask each time whether it changed: an old stylesheet or script would not fit the page of a new version.
    maxAge: 0,
  });
  await app.register(signInRoutes);
  await app.register(apiRoutes, { backends, config });
  await app.register(pageRoutes, { backends, config });
  return app;
}
