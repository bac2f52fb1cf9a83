import type { IncomingHttpHeaders } from 'node:http';
import { isSpanContextValid, trace } from '@opentelemetry/api';

const TRACEPARENT = /^[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}$/;
const B3_SINGLE = /^([0-9a-f]{16}(?:[0-9a-f]{16})?)-/;
const B3_TRACE_ID = /^[0-9a-f]{16}(?:[0-9a-f]{16})?$/;

/**
 * The trace a request belongs to: the active span's, or with telemetry off the one that a proxy in front of us
 * announced in W3C or B3 headers. 32 (rarely 16) hexadecimal digits.
 */
export function traceIdOf(headers: IncomingHttpHeaders): string | undefined {
  const active = trace.getActiveSpan()?.spanContext();
  if (active && isSpanContextValid(active)) return active.traceId;
  return (
    first(TRACEPARENT, headers.traceparent) ??
    first(B3_SINGLE, headers.b3) ??
    B3_TRACE_ID.exec(String(headers['x-b3-traceid'] ?? ''))?.[0]
  );
}

function first(pattern: RegExp, header: string | string[] | undefined): string | undefined {
  return pattern.exec(String(header ?? ''))?.[1];
}
