import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { at, newSpanId, newTraceId, Shop } from './shop.ts';

const sampled = (traceId: string) => ({ traceparent: `00-${traceId}-${newSpanId()}-01` });

test('each of the two tries at reviews is a span, and both are errors', async () => {
  await using shop = await Shop.open();
  const stub = await shop.startStub(503);
  const { port } = await shop.start('productpage', { ...at('details', stub.port), ...at('reviews', stub.port) });
  const traceId = newTraceId();
  await fetch(`http://127.0.0.1:${port}/productpage`, { headers: sampled(traceId) });
  const spans = await shop.trace(traceId, 5);
  const tries = spans.filter(({ name }) => name === 'GET /reviews/{productId}').toSorted((a, b) => a.start - b.start);
  expect(tries.map((span) => span.attributes['http.request.resend_count'])).toEqual([undefined, 1]);
  expect(tries.every((span) => span.error && span.attributes['error.type'] === '503')).toBe(true);
});

test('a call that times out is marked as an error', async () => {
  await using shop = await Shop.open();
  const silent = createServer(() => {});
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  const { port } = await shop.start('reviews', {
    ENABLE_RATINGS: 'true',
    STAR_COLOR: 'red',
    ...at('ratings', (silent.address() as AddressInfo).port),
  });
  const traceId = newTraceId();
  await fetch(`http://127.0.0.1:${port}/reviews/0`, { headers: sampled(traceId) });
  const client = (await shop.trace(traceId, 2)).find(({ kind }) => kind === 3);
  expect(client).toMatchObject({ error: true, attributes: { 'error.type': expect.anything() } });
  silent.closeAllConnections();
  silent.close();
});

test('a fault made to order says so in the trace', async () => {
  await using shop = await Shop.open();
  const { port } = await shop.start('ratings', { SERVICE_VERSION: 'v-unavailable', FAULT_SECONDS: '1' });
  await expect
    .poll(async () => (await fetch(`http://127.0.0.1:${port}/ratings/0`)).status, { timeout: 5000 })
    .toBe(503);
  await expect
    .poll(() => shop.spans.find((span) => span.attributes['bookinfo.injected_fault'] === 'unavailable'))
    .toMatchObject({ error: true, name: 'GET /ratings/{productId}' });
});

const exportWarnings = (shop: Shop) =>
  shop.log().filter(({ msg }) => String(msg).startsWith('telemetry cannot be exported'));

test('an unreachable collector costs a warning and no request', async () => {
  await using shop = await Shop.open();
  const { port } = await shop.start('details', { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1' });
  expect((await fetch(`http://127.0.0.1:${port}/details/0`)).status).toBe(200);
  await expect.poll(() => exportWarnings(shop), { timeout: 30_000 }).toHaveLength(1);
  expect((await fetch(`http://127.0.0.1:${port}/details/0`)).status).toBe(200);
});

test('a collector that refuses every batch costs one warning, not one per batch', async () => {
  await using shop = await Shop.open();
  const collector = await shop.startStub(400);
  const { port } = await shop.start('details', { OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${collector.port}` });
  for (let batches = 1; batches <= 3; batches++) {
    await fetch(`http://127.0.0.1:${port}/details/0`);
    await expect.poll(() => collector.requests.length).toBe(batches);
  }
  await fetch(`http://127.0.0.1:${port}/health`);
  expect(exportWarnings(shop)).toHaveLength(1);
});

test('the spans of the last request before SIGTERM are still exported', async () => {
  await using shop = await Shop.open();
  const details = await shop.start('details', { OTEL_BSP_SCHEDULE_DELAY: '60000' });
  const traceId = newTraceId();
  await fetch(`http://127.0.0.1:${details.port}/details/0`, { headers: sampled(traceId) });
  expect(shop.spans).toEqual([]);
  details.kill('SIGTERM');
  expect(await details.exit).toBe(0);
  expect(shop.spans.map((span) => span.traceId)).toEqual([traceId]);
});

test('an instrumentation that does not exist is said in one line', async () => {
  await using shop = await Shop.open();
  const refused = shop.start('details', { OTEL_NODE_ENABLED_INSTRUMENTATIONS: 'http, nonsense' });
  await expect(refused).rejects.toThrow(
    /^details ended with 1:\nOTEL_NODE_ENABLED_INSTRUMENTATIONS names "nonsense": [^\n]+$/,
  );
});
