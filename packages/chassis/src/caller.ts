import type { IncomingHttpHeaders } from 'node:http';
import type { FastifyBaseLogger, FastifyRequest } from 'fastify';
import { telemetry } from './telemetry.ts';

/** The request that a call to a backend is made for: what goes along with the call, and where its failure is logged. */
export interface Caller {
  headers: Record<string, string>;
  log: FastifyBaseLogger;
}

export function callerOf(request: FastifyRequest): Caller {
  const headers = forwardedHeaders(request.headers, telemetry.enabled);
  // Not as it came: who calls without an id has been given one.
  headers['x-request-id'] = request.id;
  return { headers, log: request.log };
}

/** Passed on whatever the tracing. */
const CONTEXT_HEADERS = ['end-user', 'user-agent', 'cookie', 'authorization', 'jwt'];

/** Trace context of tracers that OpenTelemetry's propagators do not speak: always passed on as it came. */
const FOREIGN_TRACE_HEADERS = [
  'x-ot-span-context',
  'x-datadog-trace-id',
  'x-datadog-parent-id',
  'x-datadog-sampling-priority',
  'x-cloud-trace-context',
  'grpc-trace-bin',
  'sw8',
];

/**
 * W3C and B3. With telemetry on the propagators write them, with our own client span as the parent: a copy of the
 * incoming ones beside them would make two parents and tear the trace apart.
 */
const PROPAGATED_TRACE_HEADERS = [
  'traceparent',
  'tracestate',
  'baggage',
  'b3',
  'x-b3-traceid',
  'x-b3-spanid',
  'x-b3-parentspanid',
  'x-b3-sampled',
  'x-b3-flags',
];

const FORWARDED_WHILE_TRACING = [...CONTEXT_HEADERS, ...FOREIGN_TRACE_HEADERS];
const FORWARDED = [...FORWARDED_WHILE_TRACING, ...PROPAGATED_TRACE_HEADERS];

/**
 * The headers of an incoming request that go out again with every request made on its behalf; the request id has its
 * own way. `tracing`: whether the propagators write the headers they know.
 */
export function forwardedHeaders(incoming: IncomingHttpHeaders, tracing: boolean): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const name of tracing ? FORWARDED_WHILE_TRACING : FORWARDED) {
    const value = incoming[name];
    // An empty header (some proxies send an empty x-b3-parentspanid) means nothing and confuses tracers.
    if (typeof value === 'string' && value !== '') headers[name] = value;
  }
  return headers;
}
