import { styleText } from 'node:util';
import type { Span } from './otlp.ts';

/** After the root span has come in, spans of other processes may still be on their way for this long. */
const SETTLE_MS = 700;

/** Collects spans and prints each finished trace as a tree. */
export function createTraceTree(print: (text: string) => void): (spans: Span[]) => void {
  const traces = new Map<string, Span[]>();
  return (spans) => {
    for (const span of spans) {
      const known = traces.get(span.traceId);
      if (known) known.push(span);
      else traces.set(span.traceId, [span]);
      if (!span.parentSpanId) {
        setTimeout(() => {
          print(drawTree(traces.get(span.traceId) ?? []));
          traces.delete(span.traceId);
        }, SETTLE_MS).unref();
      }
    }
  };
}

/** A root is a span whose parent is not among the spans: in a whole trace there is one. */
export function drawTree(spans: Span[]): string {
  const ids = new Set(spans.map((s) => s.spanId));
  const children = Map.groupBy(spans, (s) => (ids.has(s.parentSpanId) ? s.parentSpanId : ''));
  const lines: string[] = [];
  const draw = (parent: string, indent: string) => {
    const siblings = (children.get(parent) ?? []).toSorted((a, b) => a.start - b.start);
    for (const [i, span] of siblings.entries()) {
      const last = i === siblings.length - 1;
      lines.push(`${indent}${last ? '└─' : '├─'} ${describe(span)}`);
      draw(span.spanId, indent + (last ? '   ' : '│  '));
    }
  };
  draw('', '');
  return [styleText('bold', `trace ${spans[0]?.traceId ?? ''}, ${spans.length} spans`), ...lines].join('\n');
}

const KINDS: Record<number, string> = { 2: 'server', 3: 'client' };

/** A service by its version; a proxy, which has none, as one. Programs and proxies name the status differently. */
function describe(span: Span): string {
  const { attributes, resource } = span;
  const what = attributes.component === 'proxy' ? 'proxy' : resource['service.version'];
  const status = attributes['http.response.status_code'] ?? attributes['http.status_code'] ?? '';
  const workload = styleText('cyan', `${resource['service.name']} ${what}`);
  const kind = styleText('dim', KINDS[span.kind] ?? '');
  const text = `${workload} ${span.name} ${status} ${kind} ${span.duration.toFixed(1)} ms`;
  return span.error ? styleText('red', text) : text;
}
