import { randomUUID } from 'node:crypto';
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import type { FastifyBaseLogger, FastifyInstance, FastifyReply } from 'fastify';
import type { FastifyChildLoggerFactory } from 'fastify/types/logger.js';
import fp from 'fastify-plugin';
import type { ChassisConfig } from './config.ts';
import { PROBES } from './probes.ts';
import { tenths } from './server-timing.ts';
import { telemetry } from './telemetry.ts';
import { traceIdOf } from './trace-id.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    openApiPath?: string;
  }
  interface FastifyRequest {
    /** The route's pattern in OpenAPI spelling, such as `/details/{productId}`; undefined when none matched. */
    route: string | undefined;
  }
}

const REQUEST_ID = /^[\w.:+/=@-]{1,128}$/;
/** Of a path in a log line, which is there twice. */
const MAX_PATH_CHARACTERS = 256;

/** The caller's x-request-id, or a new one when it has none or one that does not belong into a log. */
export function requestIdOf({ headers }: IncomingMessage): string {
  const given = String(headers['x-request-id'] ?? '');
  return REQUEST_ID.test(given) ? given : randomUUID();
}

/** Envoy marks the host of a request that it mirrors: `reviews-shadow:9080`. */
const MIRRORED_HOST = /-shadow(:\d+)?$/;
export const isMirrored = ({ host }: IncomingHttpHeaders): boolean => MIRRORED_HOST.test(host ?? '');

/** The logger of a request. While we trace, each line names the span it is written in, else the trace of a proxy. */
export const childLoggerOf: FastifyChildLoggerFactory = (logger, bindings, options, { headers }) => {
  const traceId = telemetry.enabled ? undefined : traceIdOf(headers);
  return logger.child(traceId ? { ...bindings, trace_id: traceId } : bindings, options);
};

/** The headers by which an answer says who gave it and to which request. */
export function answerHeaders(config: ChassisConfig, requestId: string): Record<string, string> {
  return {
    'x-request-id': requestId,
    'x-service-version': config.SERVICE_VERSION,
    'x-pod-name': config.HOSTNAME,
    'x-content-type-options': 'nosniff',
  };
}

/** nginx's number for a client that did not wait for its answer. There is nobody to send it to: it is logged and counted. */
const CLIENT_HUNG_UP = 499;

/** How a request has ended, to be called when its answer is closed. */
export const finalStatusOf = ({ raw, statusCode }: FastifyReply): number =>
  raw.writableFinished ? statusCode : CLIENT_HUNG_UP;

/** What is known of a request when it is over. */
export interface FinishedRequest {
  method: string;
  path: string;
  /** In OpenAPI spelling; undefined when none matched. */
  route: string | undefined;
  status: number;
  durationMs: number;
  /** A copy that a mesh sent for comparison; nobody gets its answer. */
  mirrored: boolean;
}

/** One log line and one count of a request, whatever its end was. Probes make no line while they succeed. */
export function record(app: FastifyInstance, log: FastifyBaseLogger, request: FinishedRequest): void {
  const { method, route, status, durationMs, mirrored } = request;
  const path = cut(request.path);
  const level = PROBES.has(route) && status < 400 ? 'debug' : 'info';
  const line = { method, path, route, status, duration_ms: tenths(durationMs), ...(mirrored && { mirrored }) };
  log[level](line, `${method} ${path} ${status}`);
  app.observeRequest(request);
}

/** Gives every request its identity in traces, logs and answers, and records it when it is over. */
export const requestContext = fp(addRequestContext, { name: 'request-context', fastify: '5.x' });

async function addRequestContext(app: FastifyInstance, { config }: { config: ChassisConfig }) {
  app.decorateRequest('route', undefined);

  app.addHook('onRoute', (route) => {
    route.config = { ...route.config, openApiPath: openApiPath(route.url) };
  });

  app.addHook('onRequest', async (request, reply) => {
    request.route = request.routeOptions.config.openApiPath;
    reply.headers(answerHeaders(config, request.id));
  });
}

function cut(path: string): string {
  return path.length > MAX_PATH_CHARACTERS ? `${path.slice(0, MAX_PATH_CHARACTERS)}…` : path;
}

/** `/details/:id(^\\d+$)` → `/details/{id}` */
function openApiPath(pattern: string): string {
  return pattern.replace(/:(\w+)(\([^)]*\))?/g, '{$1}');
}
