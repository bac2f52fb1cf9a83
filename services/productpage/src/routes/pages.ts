import type { App } from '@bookinfo/chassis';
import { SpanStatusCode, trace } from '@opentelemetry/api';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Backends } from '../backends.ts';
import { callerOf } from '../caller.ts';
import type { Config } from '../config.ts';
import { languageOf, messagesFor, rememberLanguage } from '../language.ts';
import { productPage } from '../pages/product.ts';
import { startPage } from '../pages/start.ts';
import { PRODUCT } from '../products.ts';
import { currentUser } from '../session.ts';

/** Everything the pages need comes from this site; nothing else may be loaded, framed or posted to. */
const PAGE_HEADERS = {
  'content-type': 'text/html; charset=utf-8',
  'content-security-policy':
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
  'referrer-policy': 'same-origin',
  'x-content-type-options': 'nosniff',
  'cache-control': 'no-store',
  vary: 'cookie, accept-language',
};

export async function pageRoutes(app: App, { backends, config }: { backends: Backends; config: Config }) {
  const tracer = trace.getTracer('productpage');

  const frame = (request: FastifyRequest, reply: FastifyReply) => {
    const language = languageOf(request);
    rememberLanguage(request, reply, language);
    reply.headers(PAGE_HEADERS);
    return { messages: messagesFor(language), language, version: config.SERVICE_VERSION, user: currentUser(request) };
  };

  for (const path of ['/', '/index.html']) {
    app.get(path, async (request, reply) => startPage(frame(request, reply)));
  }

  /** Always 200: what failed is said in the page. */
  app.get('/productpage', async (request, reply) => {
    const caller = callerOf(request);
    const [details, reviews] = await Promise.all([
      backends.details(PRODUCT.id, caller),
      backends.reviews(PRODUCT.id, caller),
    ]);
    return tracer.startActiveSpan('render productpage', (span) => {
      try {
        return productPage({
          ...frame(request, reply),
          product: PRODUCT,
          details,
          reviews,
          pod: config.HOSTNAME,
          requestId: request.id,
          traceId: request.traceId,
          jaegerUrl: config.JAEGER_UI_URL,
        });
      } catch (error) {
        span.setStatus({ code: SpanStatusCode.ERROR });
        throw error;
      } finally {
        span.end();
      }
    });
  });
}
