import { once } from 'node:events';
import { createServer, request as httpRequest } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, test } from 'vitest';
import { type Bookinfo, backendAt, startBookinfo } from '../../../local/bookinfo.ts';
import type { Span } from '../../../local/otlp.ts';
import { workloads } from '../../../local/workloads.ts';
import { newSpanId, newTraceId, openCollector, sampled } from '../../support/collector.ts';
import { http } from '../../support/http.ts';
import { start, useResource } from '../../support/service.ts';

const ONE_OF_EACH = workloads('productpage-v1', 'details-v1', 'reviews-v3', 'ratings-v1');

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
  const lines: string[] = [];
  const collector = useResource(openCollector);
  const bookinfo = useResource(() =>
    startBookinfo({ workloads: ONE_OF_EACH, env: collector.env, onLine: (line) => lines.push(line) }),
  );
  const view = (headers: Record<string, string>) =>
    http(`http://127.0.0.1:${bookinfo.ports.productpage}/productpage`, { headers });

  test('with every edge from the page to ratings, and nothing else', async () => {
    const traceId = newTraceId();
    const parent = newSpanId();
    await view(sampled(traceId, parent));
    const { edges, roots } = edgesOf(await collector.trace(traceId, 8));
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
    await view(sampled(traceId));
    const spans = await collector.trace(traceId, 8);
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
    await view({ ...sampled(traceId), 'x-request-id': traceId });
    await collector.trace(traceId, 8);
    const logged = () => lines.map((line) => JSON.parse(line)).filter((line) => line.trace_id === traceId);
    // Lines gather for a moment before they are written.
    await expect
      .poll(() => logged().map((line) => line.service))
      .toEqual(expect.arrayContaining(['details', 'productpage', 'ratings', 'reviews']));
    expect(logged()).toHaveLength(4);
    for (const line of logged()) {
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
    await using details = await start('details', { ...collector.env, OTEL_SERVICE_NAME: 'probed' });
    for (const path of ['/health', '/health/live', '/health/ready', '/metrics', '/details/0']) {
      await details.request(path);
    }
    const probed = () => collector.spans.filter((span) => span.resource['service.name'] === 'probed');
    await expect.poll(probed).not.toEqual([]);
    expect(probed().map(({ name }) => name)).toEqual(['GET /details/{productId}']);
  });
});

/** What a sidecar does: a span of its own between caller and callee, told to the callee in traceparent only. */
async function openSidecar(target: () => number | undefined, spans: Span[]) {
  const server = createServer((incoming, response) => {
    const [, traceId = '', parentSpanId = ''] = String(incoming.headers.traceparent).split('-');
    const spanId = newSpanId();
    const { url: path, method } = incoming;
    const headers = { ...incoming.headers, ...sampled(traceId, spanId) };
    const outgoing = httpRequest({ port: target(), path, method, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
      const times = { start: 0, duration: 0 };
      const resource = { 'service.name': 'envoy' };
      spans.push({
        traceId,
        spanId,
        parentSpanId,
        name: 'proxy',
        kind: 2,
        ...times,
        error: false,
        attributes: {},
        resource,
      });
    });
    incoming.pipe(outgoing);
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
    },
  };
}

test('a proxy between all services, as a sidecar is, stays part of the tree', async () => {
  await using collector = await openCollector();
  let ports: Bookinfo['ports'] | undefined;
  await using entry = await openSidecar(() => ports?.productpage, collector.spans);
  await using details = await openSidecar(() => ports?.details, collector.spans);
  await using reviews = await openSidecar(() => ports?.reviews, collector.spans);
  await using ratings = await openSidecar(() => ports?.ratings, collector.spans);
  await using bookinfo = await startBookinfo({
    workloads: ONE_OF_EACH,
    env: {
      ...collector.env,
      ...backendAt('details', details.port),
      ...backendAt('reviews', reviews.port),
      ...backendAt('ratings', ratings.port),
    },
  });
  ports = bookinfo.ports;
  const traceId = newTraceId();
  const parent = newSpanId();
  // A stale B3 parent beside the W3C one, as behind a proxy that rewrites traceparent only.
  const headers = {
    ...sampled(traceId, parent),
    'x-b3-traceid': traceId,
    'x-b3-spanid': parent,
    'x-b3-sampled': '1',
  };
  await http(`http://127.0.0.1:${entry.port}/productpage`, { headers });
  const spans = await collector.trace(traceId, 12);
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
