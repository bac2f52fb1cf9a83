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
import { notFound, onError } from './errors.ts';
import { health } from './health.ts';
import { loggerOptions } from './log.ts';
import { type LogDestination, openLogDestination } from './log-destination.ts';
import { metrics } from './metrics.ts';
import { childLoggerOf, requestContext, requestIdOf } from './request-context.ts';
import { validatorOf } from './validation.ts';

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

/** The server every service starts from: what is registered here, all of them have. */
export async function createApp(service: string, config: ChassisConfig): Promise<App> {
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
    routerOptions: { maxParamLength: 1024 },
    // A request that arrives on an open connection while we shut down is still answered.
    return503OnClosing: false,
    requestTimeout: 30_000,
    frameworkErrors: (error, request, reply) => onError(error, request, reply),
  }).withTypeProvider<TypeBoxTypeProvider>();

  app.setValidatorCompiler<TSchema>(({ schema }) => validatorOf(schema));
  app.setErrorHandler<FastifyError>(onError);
  app.setNotFoundHandler(notFound);
  app.decorate('logDestination', logDestination);
  await app.register(requestContext, { version: config.SERVICE_VERSION, pod: config.HOSTNAME });
  await app.register(metrics);
  await app.register(health);
  return app;
}
