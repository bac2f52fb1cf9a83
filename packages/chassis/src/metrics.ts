import type { FastifyInstance } from 'fastify';
import fp from 'fastify-plugin';
import { Counter, collectDefaultMetrics, Histogram, Registry } from 'prom-client';
import type { FinishedRequest } from './request-context.ts';

declare module 'fastify' {
  interface FastifyInstance {
    /** Where a service registers metrics of its own. */
    metrics: Registry;
    observeRequest(request: FinishedRequest): void;
  }
}

/** Bounds in seconds, as OpenTelemetry's semantic conventions advise for `http.server.request.duration`. */
const DURATION_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10];

/** `/metrics`, and one histogram of every request by method, route and status. */
export const metrics = fp(addMetrics, {
  name: 'metrics',
  fastify: '5.x',
  decorators: { fastify: ['logDestination'] },
});

async function addMetrics(app: FastifyInstance) {
  const registry = new Registry();
  app.decorate('metrics', registry);
  collectDefaultMetrics({ register: registry });
  new Counter({
    name: 'log_lines_dropped_total',
    help: 'Log lines that nobody read in time, or that the disk had no room for.',
    registers: [registry],
    collect() {
      this.reset();
      this.inc(app.logDestination.dropped);
    },
  });
  const duration = new Histogram({
    name: 'http_server_request_duration_seconds',
    help: 'Duration of HTTP server requests by method, route and status.',
    labelNames: ['http_request_method', 'http_route', 'http_response_status_code'],
    buckets: DURATION_BUCKETS,
    registers: [registry],
  });

  app.decorate('observeRequest', ({ method, route, status, durationMs }: FinishedRequest) => {
    duration.observe(
      {
        http_request_method: method,
        // Bounded whatever paths a client thinks up.
        http_route: route ?? 'unmatched',
        http_response_status_code: status,
      },
      durationMs / 1000,
    );
  });

  app.get('/metrics', async (_request, reply) => reply.type(registry.contentType).send(await registry.metrics()));
}
