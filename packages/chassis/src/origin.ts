import { context, propagation, ROOT_CONTEXT } from '@opentelemetry/api';
import type { FastifyBaseLogger, FastifyRequest } from 'fastify';
import type { Caller } from './caller.ts';
import { telemetry } from './telemetry.ts';

/** The request that something began with, fit for a database: what is done about it later belongs to its trace. */
export interface Origin {
  requestId: string;
  /** As the W3C header of that name has it; absent when nobody traces. */
  traceparent?: string;
}

/** The origin of what a service asks again and again by itself: traces are of what somebody wanted. */
export const NOBODY: Origin = { requestId: 'nobody', traceparent: `00-${'f'.repeat(32)}-${'f'.repeat(16)}-00` };

export function originOf({ id: requestId, headers }: FastifyRequest): Origin {
  const carrier: Record<string, unknown> = telemetry.enabled ? {} : headers;
  if (telemetry.enabled) propagation.inject(context.active(), carrier);
  const { traceparent } = carrier;
  return typeof traceparent === 'string' ? { requestId, traceparent } : { requestId };
}

/** Does what is left to do for a request that is long over, in another process perhaps. No header of identity is left. */
export function onBehalfOf<T>(
  { requestId, traceparent }: Origin,
  log: FastifyBaseLogger,
  work: (caller: Caller) => Promise<T>,
): Promise<T> {
  const trace: Record<string, string> = traceparent ? { traceparent } : {};
  const headers = { 'x-request-id': requestId, ...(!telemetry.enabled && trace) };
  const caller = { headers, log: log.child({ request_id: requestId }) };
  return context.with(propagation.extract(ROOT_CONTEXT, trace), () => work(caller));
}
