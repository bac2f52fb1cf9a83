import { randomBytes } from 'node:crypto';
import { createServer, request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { vi } from 'vitest';
import { receiveOtlp, type Span } from '../../../local/otlp.ts';
import { type ServiceProcess, startService } from '../../../local/process.ts';
import type { Service } from '../../../local/workloads.ts';

/** Where a service finds a backend in these tests. */
export function at(service: Service, port: number): Record<string, string> {
  const name = service.toUpperCase();
  return { [`${name}_HOSTNAME`]: '127.0.0.1', [`${name}_SERVICE_PORT`]: String(port) };
}

/** Processes whose spans and log lines the test collects. */
export class Shop implements AsyncDisposable {
  readonly spans: Span[] = [];
  readonly lines: string[] = [];
  readonly #cleanups: (() => unknown)[] = [];
  #env: Record<string, string> = {};

  static async open(): Promise<Shop> {
    const shop = new Shop();
    const receiver = await receiveOtlp((spans) => shop.spans.push(...spans));
    shop.#env = receiver.env;
    shop.#cleanups.push(() => receiver[Symbol.asyncDispose]());
    return shop;
  }

  /** Starts a service with telemetry on, unless `env` says otherwise. */
  async start(service: Service, env: Record<string, string> = {}): Promise<ServiceProcess> {
    const running = await startService(service, {
      env: { LOG_FORMAT: 'json', ...this.#env, ...env },
      onLine: (line) => this.lines.push(line),
    });
    this.#cleanups.push(async () => {
      running.kill('SIGTERM');
      await running.exit;
    });
    return running;
  }

  /** All four services, reviews in version 3. Each knows the others by `via`, which may put something in between. */
  async startAll(via: (port: number) => Promise<number> = async (port) => port): Promise<ServiceProcess> {
    const details = await this.start('details');
    const ratings = await this.start('ratings');
    const reviews = await this.start('reviews', {
      SERVICE_VERSION: 'v3',
      ENABLE_RATINGS: 'true',
      STAR_COLOR: 'red',
      ...at('ratings', await via(ratings.port)),
    });
    return this.start('productpage', {
      ...at('details', await via(details.port)),
      ...at('reviews', await via(reviews.port)),
    });
  }

  /** A backend that remembers the headers it was asked with, and answers `status`. */
  async startStub(status = 503): Promise<{ port: number; requests: IncomingHttpHeaders[]; rawHeaders: string[][] }> {
    const requests: IncomingHttpHeaders[] = [];
    const rawHeaders: string[][] = [];
    const server = createServer((request, response) => {
      requests.push(request.headers);
      rawHeaders.push(request.rawHeaders);
      response.writeHead(status).end();
    });
    return { port: await this.#listen(server), requests, rawHeaders };
  }

  /** What a sidecar does: a span of its own between caller and callee, told to the callee in traceparent only. */
  async startEnvoy(target: number): Promise<number> {
    const server = createServer((incoming, response) => {
      const [, traceId = '', parentSpanId = ''] = String(incoming.headers.traceparent).split('-');
      const spanId = randomBytes(8).toString('hex');
      const outgoing = httpRequest(
        {
          port: target,
          path: incoming.url,
          method: incoming.method,
          headers: { ...incoming.headers, traceparent: `00-${traceId}-${spanId}-01` },
        },
        (answer) => {
          response.writeHead(answer.statusCode ?? 502, answer.headers);
          answer.pipe(response);
          this.spans.push(envoySpan(traceId, spanId, parentSpanId));
        },
      );
      incoming.pipe(outgoing);
    });
    return this.#listen(server);
  }

  /** The spans of a trace, once `count` of them have arrived. */
  async trace(traceId: string, count: number): Promise<Span[]> {
    return vi.waitFor(
      () => {
        const spans = this.spans.filter((span) => span.traceId === traceId);
        if (spans.length < count) throw new Error(`${spans.length} of ${count} spans: ${spans.map((s) => s.name)}`);
        return spans;
      },
      { timeout: 10_000 },
    );
  }

  /** Log lines as objects. */
  log(): Record<string, unknown>[] {
    return this.lines.map((line) => JSON.parse(line));
  }

  async #listen(server: ReturnType<typeof createServer>): Promise<number> {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    this.#cleanups.push(() => {
      server.close();
      server.closeAllConnections();
    });
    return (server.address() as AddressInfo).port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const cleanup of this.#cleanups.toReversed()) await cleanup();
  }
}

function envoySpan(traceId: string, spanId: string, parentSpanId: string): Span {
  const resource = { 'service.name': 'envoy' };
  return {
    traceId,
    spanId,
    parentSpanId,
    name: 'proxy',
    kind: 2,
    start: 0,
    duration: 0,
    error: false,
    attributes: {},
    resource,
  };
}

export const newTraceId = () => randomBytes(16).toString('hex');
export const newSpanId = () => randomBytes(8).toString('hex');
