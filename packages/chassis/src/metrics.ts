import type { FastifyInstance } from 'fastify';
import fp from 'fastify-plugin';
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
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

/** How often the event loop's lag is looked at. At the default of 10 ms an idle process wakes up 6000 times a minute. */
const LAG_INTERVAL_MS = 1000;

/** `/metrics`, and one histogram of every request by method, route and status. */
export const metrics = fp(addMetrics, {
  name: 'metrics',
  fastify: '5.x',
  decorators: { fastify: ['logDestination'] },
});

async function addMetrics(app: FastifyInstance) {
  const registry = new Registry();
  app.decorate('metrics', registry);
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: LAG_INTERVAL_MS });
  correctEventLoopLag(registry);
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

  // Finding a series by its labels costs more than to observe a value. There are as many as there are routes and statuses.
  const series = new Map<string, Histogram.Internal<string>>();
  const seriesOf = (method: string, route: string, status: number) => {
    const key = `${method} ${status} ${route}`;
    const known = series.get(key);
    if (known) return known;
    const added = duration.labels(method, route, String(status));
    series.set(key, added);
    return added;
  };

  app.decorate('observeRequest', ({ method, route, status, durationMs }: FinishedRequest) => {
    // Bounded whatever paths a client thinks up.
    seriesOf(method, route ?? 'unmatched', status).observe(durationMs / 1000);
  });

  app.get('/metrics', async (_request, reply) => reply.type(registry.contentType).send(await registry.metrics()));
}

/** The monitor measures from one look to the next; the lag is what goes beyond the interval. */
function correctEventLoopLag(registry: Registry): void {
  for (const statistic of ['min', 'max', 'mean', 'p50', 'p90', 'p99']) {
    const gauge = registry.getSingleMetric(`nodejs_eventloop_lag_${statistic}_seconds`);
    if (!(gauge instanceof Gauge)) continue;
    const set: (labels: object, seconds: number) => void = gauge.set.bind(gauge);
    // Without a look since the last scrape, the minimum is beyond every time and the mean no number.
    const lag = (seconds: number) => (seconds < 1e6 ? Math.max(0, seconds - LAG_INTERVAL_MS / 1000) : 0);
    Object.assign(gauge, { set: (labels: object, seconds: number) => set(labels, lag(seconds)) });
  }
}
