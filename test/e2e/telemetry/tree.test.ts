import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Span } from '../../../local/otlp.ts';
import { newSpanId, newTraceId, Shop } from './shop.ts';

/** `parent → child`, each as `service: span name`, sorted; and the spans whose parent is not in the trace. */
function edgesOf(spans: Span[]): { edges: string[]; roots: Span[] } {
  const label = (span: Span) => `${span.resource['service.name']}: ${span.name}`;
  const byId = new Map(spans.map((span) => [span.spanId, span]));
  const edges: string[] = [];
  const roots: Span[] = [];
  for (const span of spans) {
    const parent = byId.get(span.parentSpanId);
    if (parent) edges.push(`${label(parent)} → ${label(span)}`);
    else roots.push(span);
  }
  return { edges: edges.toSorted(), roots };
}

describe('one page view is one connected tree', () => {
  let shop: Shop;
  let page: string;
  beforeAll(async () => {
    shop = await Shop.open();
    page = `http://127.0.0.1:${(await shop.startAll()).port}/productpage`;
  });
  afterAll(() => shop[Symbol.asyncDispose]());

  test('with every edge from the page to ratings, and nothing else', async () => {
    const traceId = newTraceId();
    const parent = newSpanId();
    await fetch(page, { headers: { traceparent: `00-${traceId}-${parent}-01` } });
    const { edges, roots } = edgesOf(await shop.trace(traceId, 8));
    expect(edges).toEqual([
      'productpage: GET /details/{productId} → details: GET /details/{productId}',
      'productpage: GET /productpage → productpage: GET /details/{productId}',
      'productpage: GET /productpage → productpage: GET /reviews/{productId}',
      'productpage: GET /productpage → productpage: render productpage',
      'productpage: GET /reviews/{productId} → reviews: GET /reviews/{productId}',
      'reviews: GET /ratings/{productId} → ratings: GET /ratings/{productId}',
      'reviews: GET /reviews/{productId} → reviews: GET /ratings/{productId}',
    ]);
    expect(roots.map((span) => span.parentSpanId)).toEqual([parent]);
  });

  test('whose spans follow the semantic conventions for HTTP and name their workload', async () => {
    const traceId = newTraceId();
    await fetch(page, { headers: { traceparent: `00-${traceId}-${newSpanId()}-01` } });
    const spans = await shop.trace(traceId, 8);
    const server = spans.find((s) => s.resource['service.name'] === 'reviews' && s.kind === 2);
    expect(server?.attributes).toMatchObject({
      'http.request.method': 'GET',
      'http.route': '/reviews/{productId}',
      'http.response.status_code': 200,
      'url.path': '/reviews/0',
      'bookinfo.star_color': 'red',
    });
    expect(server?.resource).toMatchObject({ 'service.namespace': 'bookinfo', 'service.version': 'v3' });
    expect(server?.resource).toHaveProperty(['service.instance.id']);
    const client = spans.find((s) => s.name === 'GET /ratings/{productId}' && s.kind === 3);
    expect(client?.attributes).toMatchObject({
      'url.template': '/ratings/{productId}',
      'http.response.status_code': 200,
    });
  });

  test('that all four services write into their logs, with one request id', async () => {
    const traceId = newTraceId();
    await fetch(page, { headers: { traceparent: `00-${traceId}-${newSpanId()}-01`, 'x-request-id': traceId } });
    await shop.trace(traceId, 8);
    const lines = shop.log().filter((line) => line.trace_id === traceId);
    expect(lines.map((line) => line.service).toSorted()).toEqual(['details', 'productpage', 'ratings', 'reviews']);
    for (const line of lines) {
      expect(line).toMatchObject({
        request_id: traceId,
        status: 200,
        method: 'GET',
        span_id: expect.stringMatching(/^[0-9a-f]{16}$/),
      });
      expect(line).toHaveProperty('duration_ms');
    }
  });

  test('without spans for probes and scrapes', async () => {
    const { port } = await shop.start('details', { OTEL_SERVICE_NAME: 'probed' });
    for (const path of ['/health', '/health/live', '/health/ready', '/metrics', '/details/0']) {
      await fetch(`http://127.0.0.1:${port}${path}`);
    }
    await expect.poll(() => shop.spans.filter((s) => s.resource['service.name'] === 'probed')).not.toEqual([]);
    const names = shop.spans.filter((s) => s.resource['service.name'] === 'probed').map((s) => s.name);
    expect(names).toEqual(['GET /details/{productId}']);
  });
});

test('a proxy between all services, as a sidecar is, stays part of the tree', async () => {
  await using shop = await Shop.open();
  const { port } = await shop.startAll((target) => shop.startEnvoy(target));
  const entry = await shop.startEnvoy(port);
  const traceId = newTraceId();
  const parent = newSpanId();
  // A stale B3 parent beside the W3C one, as behind a proxy that rewrites traceparent only.
  const headers = {
    traceparent: `00-${traceId}-${parent}-01`,
    'x-b3-traceid': traceId,
    'x-b3-spanid': parent,
    'x-b3-sampled': '1',
  };
  await fetch(`http://127.0.0.1:${entry}/productpage`, { headers });
  const spans = await shop.trace(traceId, 12);
  const { edges, roots } = edgesOf(spans);
  expect(roots.map((span) => span.parentSpanId)).toEqual([parent]);
  expect(edges.filter((edge) => edge.includes('envoy')).toSorted()).toEqual([
    'envoy: proxy → details: GET /details/{productId}',
    'envoy: proxy → productpage: GET /productpage',
    'envoy: proxy → ratings: GET /ratings/{productId}',
    'envoy: proxy → reviews: GET /reviews/{productId}',
    'productpage: GET /details/{productId} → envoy: proxy',
    'productpage: GET /reviews/{productId} → envoy: proxy',
    'reviews: GET /ratings/{productId} → envoy: proxy',
  ]);
});
