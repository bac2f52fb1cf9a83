import { randomBytes } from 'node:crypto';
import { vi } from 'vitest';
import { type OtlpReceiver, receiveOtlp, type Span } from '../../local/otlp.ts';

/** A collector that keeps the spans it gets. */
export interface Collector extends OtlpReceiver {
  spans: Span[];
  /** The spans of a trace, once `count` of them have arrived. */
  trace(traceId: string, count: number): Promise<Span[]>;
}

export async function openCollector(): Promise<Collector> {
  const spans: Span[] = [];
  return {
    ...(await receiveOtlp((received) => spans.push(...received))),
    spans,
    trace: (traceId, count) =>
      vi.waitFor(
        () => {
          const found = spans.filter((span) => span.traceId === traceId);
          if (found.length < count) throw new Error(`${found.length} of ${count} spans: ${found.map((s) => s.name)}`);
          return found;
        },
        { timeout: 10_000 },
      ),
  };
}

export const newTraceId = () => randomBytes(16).toString('hex');
export const newSpanId = () => randomBytes(8).toString('hex');

/** Headers of a request that belongs to a trace. */
export const sampled = (traceId: string, parentSpanId = newSpanId()) => ({
  traceparent: `00-${traceId}-${parentSpanId}-01`,
});
