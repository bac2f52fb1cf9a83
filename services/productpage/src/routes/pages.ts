import type { App } from '@bookinfo/chassis';
import { SpanStatusCode, trace } from '@opentelemetry/api';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Backends } from '../backends.ts';
import type { Config } from '../config.ts';
import { languageOf, messagesFor, rememberLanguage } from '../language.ts';
import type { Frame } from '../pages/layout.ts';
import { livePage } from '../pages/live.ts';
import { productPage } from '../pages/product.ts';
import { startPage } from '../pages/start.ts';
import { PRODUCT } from '../products.ts';
import { gatherPage } from '../report.ts';
import { currentUser } from '../session.ts';

/** Everything the pages need comes from this site; nothing else may be loaded, framed or posted to. */
const POLICY =
  "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
/** The live view alone has a script, which asks this site again and again. */
const LIVE_POLICY = `${POLICY}; script-src 'self'; connect-src 'self'`;

const PAGE_HEADERS = {
  'content-type': 'text/html; charset=utf-8',
  'referrer-policy': 'same-origin',
  'x-content-type-options': 'nosniff',
  'cache-control': 'no-store',
  vary: 'cookie, accept-language',
};

export async function pageRoutes(app: App, { backends, config }: { backends: Backends; config: Config }) {
  const tracer = trace.getTracer('productpage');

  const frame = (request: FastifyRequest, reply: FastifyReply, view: Frame['view']): Frame => {
    const language = languageOf(request);
    rememberLanguage(request, reply, language);
    reply.headers(PAGE_HEADERS);
    reply.header('content-security-policy', view === 'live' ? LIVE_POLICY : POLICY);
    const messages = messagesFor(language);
    return { messages, language, version: config.SERVICE_VERSION, user: currentUser(request), view };
  };

  for (const path of ['/', '/index.html']) {
    app.get(path, async (request, reply) => startPage(frame(request, reply, 'start')));
  }

  /**
   * Always 200: what failed is said in the page. The live view is a query of the same path, for gateways and policies
   * name `/productpage` exactly.
   */
  app.get('/productpage', async (request, reply) => {
    const live = (request.query as { view?: unknown }).view === 'live';
    const gathered = await gatherPage(request, reply, { backends, config, productId: PRODUCT.id });
    return tracer.startActiveSpan('render productpage', (span) => {
      try {
        const page = {
          ...frame(request, reply, live ? 'live' : 'page'),
          ...gathered,
          product: PRODUCT,
          jaegerUrl: config.JAEGER_UI_URL,
          host: request.host,
        };
        return live ? livePage(page) : productPage(page);
      } catch (error) {
        span.setStatus({ code: SpanStatusCode.ERROR });
        throw error;
      } finally {
        span.end();
      }
    });
  });
}
