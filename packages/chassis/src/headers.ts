import type { IncomingHttpHeaders } from 'node:http';
import { telemetry } from './telemetry.ts';

/** Passed from every incoming request to every outgoing one, whatever the tracing. */
const CONTEXT_HEADERS = ['x-request-id', 'end-user', 'user-agent', 'cookie', 'authorization', 'jwt'];

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

/** The headers of an incoming request that go out again with every request made on its behalf. */
export function forwardedHeaders(incoming: IncomingHttpHeaders): Record<string, string> {
  const names = telemetry.enabled
    ? [...CONTEXT_HEADERS, ...FOREIGN_TRACE_HEADERS]
    : [...CONTEXT_HEADERS, ...FOREIGN_TRACE_HEADERS, ...PROPAGATED_TRACE_HEADERS];
  const headers: Record<string, string> = {};
  for (const name of names) {
    const value = incoming[name];
    // An empty header (some proxies send an empty x-b3-parentspanid) means nothing and confuses tracers.
    if (typeof value === 'string' && value !== '') headers[name] = value;
  }
  return headers;
}
