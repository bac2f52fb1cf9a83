import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { context, trace } from '@opentelemetry/api';
import { getRPCMetadata } from '@opentelemetry/core';
import type { FastifyInstance } from 'fastify';
import type { FastifyChildLoggerFactory } from 'fastify/types/logger.js';
import fp from 'fastify-plugin';
import { traceIdOf } from './trace-id.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    openApiPath?: string;
  }
  interface FastifyRequest {
    /** The route's pattern in OpenAPI spelling, such as `/details/{productId}`; undefined when none matched. */
    route: string | undefined;
    traceId: string | undefined;
  }
}

const REQUEST_ID = /^[\w.:+/=@-]{1,128}$/;
/** Paths whose requests are logged at level debug: probes and scrapes come every few seconds. */
const QUIET_PATHS = /^\/(health|metrics)/;

/** The caller's x-request-id, or a new one when it has none or one that does not belong into a log. */
export function requestIdOf({ headers }: IncomingMessage): string {
  const given = String(headers['x-request-id'] ?? '');
  return REQUEST_ID.test(given) ? given : randomUUID();
}

/** The logger of a request. With telemetry on, the pino instrumentation writes the trace's ids, else we do. */
export const childLoggerOf: FastifyChildLoggerFactory = (logger, bindings, options, { headers }) => {
  const traceId = trace.getActiveSpan() ? undefined : traceIdOf(headers);
  return logger.child(traceId ? { ...bindings, trace_id: traceId } : bindings, options);
};

/** Gives every request its identity in traces, logs and answers, and writes one log line about it. */
export const requestContext = fp(addRequestContext, { name: 'request-context', fastify: '5.x' });

async function addRequestContext(app: FastifyInstance, { version, pod }: { version: string; pod: string }) {
  app.decorateRequest('route', undefined);
  app.decorateRequest('traceId', undefined);

  app.addHook('onRoute', (route) => {
    route.config = { ...route.config, openApiPath: openApiPath(route.url) };
  });

  app.addHook('onRequest', async (request, reply) => {
    request.route = request.routeOptions.config.openApiPath;
    request.traceId = traceIdOf(request.headers);
    // Names the server span: the HTTP instrumentation sees no routes.
    const rpc = getRPCMetadata(context.active());
    if (rpc && request.route) rpc.route = request.route;
    reply.headers({ 'x-request-id': request.id, 'x-service-version': version, 'x-pod-name': pod });
  });

  app.addHook('onResponse', async (request, reply) => {
    const path = request.url.split('?', 1)[0] ?? '';
    const line = {
      method: request.method,
      path,
      route: request.route,
      status: reply.statusCode,
      duration_ms: Math.round(reply.elapsedTime * 10) / 10,
    };
    const level = QUIET_PATHS.test(path) ? 'debug' : 'info';
    request.log[level](line, `${request.method} ${path} ${reply.statusCode}`);
  });
}

/** `/details/:id(^\\d+$)` → `/details/{id}` */
function openApiPath(pattern: string): string {
  return pattern.replace(/:(\w+)(\([^)]*\))?/g, '{$1}');
}
