import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';

/** One span as it came over OTLP, with what its resource says. Times in milliseconds. */
export interface Span {
  traceId: string;
  spanId: string;
  parentSpanId: string;
  name: string;
  /** 1 internal, 2 server, 3 client */
  kind: number;
  start: number;
  duration: number;
  error: boolean;
  attributes: Record<string, unknown>;
  resource: Record<string, unknown>;
}

export interface OtlpReceiver extends AsyncDisposable {
  /** What makes a service send its spans here, and soon. */
  env: Record<string, string>;
}

/** The smallest collector there is: takes OTLP/HTTP in JSON on loopback and hands over the spans. */
export async function receiveOtlp(onSpans: (spans: Span[]) => void): Promise<OtlpReceiver> {
  const server = createServer(async (request, response) => {
    try {
      if (request.url === '/v1/traces') onSpans(spansOf((await json(request)) as TracesData));
      response.setHeader('content-type', 'application/json').end('{}');
    } catch {
      response.writeHead(400).end();
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    env: {
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}`,
      OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
      OTEL_BSP_SCHEDULE_DELAY: '50',
    },
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
    },
  };
}

/** https://github.com/open-telemetry/opentelemetry-proto: trace/v1/trace.proto, in its JSON mapping. */
interface TracesData {
  resourceSpans: {
    resource: { attributes: KeyValue[] };
    scopeSpans: {
      spans: {
        traceId: string;
        spanId: string;
        parentSpanId?: string;
        name: string;
        kind: number;
        startTimeUnixNano: string;
        endTimeUnixNano: string;
        attributes: KeyValue[];
        status?: { code?: number };
      }[];
    }[];
  }[];
}
interface KeyValue {
  key: string;
  value: Record<string, unknown>;
}

function spansOf({ resourceSpans }: TracesData): Span[] {
  return resourceSpans.flatMap(({ resource, scopeSpans }) =>
    scopeSpans.flatMap(({ spans }) =>
      spans.map((span) => {
        const start = Number(span.startTimeUnixNano) / 1e6;
        return {
          traceId: span.traceId,
          spanId: span.spanId,
          parentSpanId: span.parentSpanId ?? '',
          name: span.name,
          kind: span.kind,
          start,
          duration: Number(span.endTimeUnixNano) / 1e6 - start,
          error: span.status?.code === 2,
          attributes: plain(span.attributes),
          resource: plain(resource.attributes),
        };
      }),
    ),
  );
}

function plain(attributes: KeyValue[]): Record<string, unknown> {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]));
}
