import { context, createContextKey } from '@opentelemetry/api';

/** What a call to a backend wants its client span to say; the instrumentation itself knows the concrete path only. */
export interface ClientSpan {
  /** The path, low in cardinality, such as `/reviews/{productId}`. */
  urlTemplate: string;
  /** 0 for the first try. */
  resendCount: number;
}

const KEY = createContextKey('bookinfo client span');

/** Runs `call`, whose requests then get spans as described. */
export function withClientSpan<T>(span: ClientSpan, call: () => T): T {
  return context.with(context.active().setValue(KEY, span), call);
}

export function currentClientSpan(): Partial<ClientSpan> {
  return (context.active().getValue(KEY) ?? {}) as Partial<ClientSpan>;
}
