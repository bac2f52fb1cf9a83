import type { IncomingMessage, ServerResponse } from 'node:http';
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import Fastify, {
  type FastifyBaseLogger,
  type FastifyError,
  type FastifyInstance,
  LogController,
  type RawServerDefault,
} from 'fastify';
import type { TSchema } from 'typebox';
import type { ChassisConfig } from './config.ts';
import { connections } from './connections.ts';
import { crossSite } from './cross-site.ts';
import { onError } from './errors.ts';
import { health } from './health.ts';
import { loggerOptions } from './log.ts';
import { type LogDestination, openLogDestination } from './log-destination.ts';
import { methods } from './methods.ts';
import { metrics } from './metrics.ts';
import { childLoggerOf, requestContext, requestIdOf } from './request-context.ts';
import { serverSpans } from './spans.ts';
import { telemetry } from './telemetry.ts';
import { answerUnparsable } from './unparsable.ts';
import { validatorOf } from './validation.ts';
import { routable, wellFormed } from './well-formed.ts';

declare module 'fastify' {
  interface FastifyInstance {
    logDestination: LogDestination;
  }
}

export type App = FastifyInstance<
  RawServerDefault,
  IncomingMessage,
  ServerResponse,
  FastifyBaseLogger,
  TypeBoxTypeProvider
>;

/** No body of a Bookinfo request is anywhere near this. */
const MAX_BODY_BYTES = 64 * 1024;
/** Twice what the page takes: what it passes on, with headers of its own added, must not be refused further in. */
const MAX_HEADER_BYTES = 32 * 1024;
/** From the first byte of a request to its last one. */
const REQUEST_TIMEOUT_MS = 30_000;

export interface AppOptions {
  /** Bytes of all headers of a request together. */
  maxHeaderSize?: number;
  /** Addresses of proxies whose `X-Forwarded-*` count. */
  trustProxy?: string[] | false;
}

/** The server every service starts from: what is registered here, all of them have. */
export async function createApp(
  service: string,
  config: ChassisConfig,
  { maxHeaderSize = MAX_HEADER_BYTES, trustProxy = false }: AppOptions = {},
): Promise<App> {
  const logDestination = openLogDestination((dropped) =>
    app.log.warn({ dropped }, `${dropped} log lines were dropped: nobody read them, or the disk was full`),
  );
  const app = Fastify({
    logger: await loggerOptions(service, config, logDestination),
    logController: new LogController({ disableRequestLogging: true, requestIdLogLabel: 'request_id' }),
    genReqId: requestIdOf,
    requestIdHeader: false,
    childLoggerFactory: childLoggerOf,
    bodyLimit: MAX_BODY_BYTES,
    trustProxy,
    // Longer than any header: what is too long for an id is an ordinary wrong id.
    routerOptions: { maxParamLength: maxHeaderSize },
    // A request that arrives on an open connection while we shut down is still answered.
    return503OnClosing: false,
    requestTimeout: REQUEST_TIMEOUT_MS,
    http: {
      maxHeaderSize,
      headersTimeout: REQUEST_TIMEOUT_MS,
      // How late a timeout may be noticed.
      connectionsCheckingInterval: 2000,
      // The missing header is refused below, with an answer that is like all others.
      requireHostHeader: false,
    },
    rewriteUrl: ({ url = '' }) => routable(url),
    clientErrorHandler: (error, socket) => answerUnparsable(app, config, error, socket),
  }).withTypeProvider<TypeBoxTypeProvider>();

  app.setValidatorCompiler<TSchema>(({ schema }) => validatorOf(schema));
  app.setErrorHandler<FastifyError>(onError);
  app.decorate('logDestination', logDestination);
  if (telemetry.enabled) await app.register(serverSpans);
  await app.register(requestContext, { config });
  await app.register(methods, { maxParamLength: maxHeaderSize });
  await app.register(metrics);
  await app.register(connections, { config });
  await app.register(wellFormed);
  await app.register(crossSite);
  await app.register(health);
  return app;
}
