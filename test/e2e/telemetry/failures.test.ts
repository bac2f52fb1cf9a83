import { connect } from 'node:net';
import { expect, test } from 'vitest';
import { backendAt } from '../../../local/bookinfo.ts';
import { type Collector, newTraceId, openCollector, sampled } from '../../support/collector.ts';
import { start, type TestedService } from '../../support/service.ts';
import { answers, hangs, openStub } from '../../support/stub.ts';

test('each of the two tries at reviews is a span, and both are errors', async () => {
  await using collector = await openCollector();
  await using backend = await openStub(answers({}, 503));
  await using productpage = await start('productpage', {
    ...collector.env,
    ...backendAt('details', backend.port),
    ...backendAt('reviews', backend.port),
  });
  const traceId = newTraceId();
  await productpage.request('/productpage', { headers: sampled(traceId) });
  const spans = await collector.trace(traceId, 5);
  const tries = spans.filter(({ name }) => name === 'GET /reviews/{productId}').toSorted((a, b) => a.start - b.start);
  expect(tries.map((span) => span.attributes['http.request.resend_count'])).toEqual([undefined, 1]);
  expect(tries.every((span) => span.error && span.attributes['error.type'] === '503')).toBe(true);
});

test('a call that times out is marked as an error', async () => {
  await using collector = await openCollector();
  await using silent = await openStub(hangs);
  await using reviews = await start('reviews', {
    ENABLE_RATINGS: 'true',
    STAR_COLOR: 'red',
    ...collector.env,
    ...backendAt('ratings', silent.port),
  });
  const traceId = newTraceId();
  await reviews.request('/reviews/0', { headers: sampled(traceId) });
  const client = (await collector.trace(traceId, 2)).find(({ kind }) => kind === 3);
  expect(client).toMatchObject({ error: true, attributes: { 'error.type': expect.anything() } });
});

test('a fault made to order says so in the trace', async () => {
  await using collector = await openCollector();
  await using ratings = await start('ratings', {
    ...collector.env,
    SERVICE_VERSION: 'v-unavailable',
    FAULT_SECONDS: '1',
  });
  await expect.poll(async () => (await ratings.request('/ratings/0')).status, { timeout: 5000 }).toBe(503);
  await expect
    .poll(() => collector.spans.find((span) => span.attributes['bookinfo.injected_fault'] === 'unavailable'))
    .toMatchObject({ error: true, name: 'GET /ratings/{productId}' });
});

const exportWarnings = (service: TestedService) =>
  service.log().filter(({ msg }) => String(msg).startsWith('telemetry cannot be exported'));

/** Details that sends its spans to this port. */
const startDetails = ({ env }: Collector, port: number) =>
  start('details', { ...env, OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}` });

test('an unreachable collector costs a warning and no request', async () => {
  await using collector = await openCollector();
  await using details = await startDetails(collector, 1);
  expect((await details.request('/details/0')).status).toBe(200);
  await expect.poll(() => exportWarnings(details), { timeout: 30_000 }).toHaveLength(1);
  expect((await details.request('/details/0')).status).toBe(200);
});

test('a collector that refuses every batch costs one warning, not one per batch', async () => {
  await using collector = await openCollector();
  await using refusing = await openStub(answers({}, 400));
  await using details = await startDetails(collector, refusing.port);
  for (let batches = 1; batches <= 3; batches++) {
    await details.request('/details/0');
    await expect.poll(() => refusing.received.length).toBe(batches);
  }
  await details.request('/health');
  await expect.poll(() => exportWarnings(details)).toHaveLength(1);
  details.kill('SIGTERM');
  await details.exit;
  expect(exportWarnings(details)).toHaveLength(1);
});

test('the spans of the last request before SIGTERM are still exported', async () => {
  await using collector = await openCollector();
  await using details = await start('details', { ...collector.env, OTEL_BSP_SCHEDULE_DELAY: '60000' });
  const traceId = newTraceId();
  await details.request('/details/0', { headers: sampled(traceId) });
  expect(collector.spans).toEqual([]);
  details.kill('SIGTERM');
  expect(await details.exit).toBe(0);
  expect(collector.spans.map((span) => span.traceId)).toEqual([traceId]);
});

test('an instrumentation that does not exist is said in one line', async () => {
  await using collector = await openCollector();
  const refused = start('details', { ...collector.env, OTEL_NODE_ENABLED_INSTRUMENTATIONS: 'http, nonsense' });
  await expect(refused).rejects.toThrow(
    /^details ended with 1:\nOTEL_NODE_ENABLED_INSTRUMENTATIONS names "nonsense": [^\n]+$/,
  );
});

test('a request whose client hangs up has a span that ends, with the status that the log has', async () => {
  await using collector = await openCollector();
  await using silent = await openStub(hangs);
  await using productpage = await start('productpage', { ...collector.env, ...backendAt('details', silent.port) });
  const traceId = newTraceId();
  const socket = connect(productpage.port, '127.0.0.1');
  socket.write(`GET /api/v1/products/0 HTTP/1.1\r\nhost: a\r\ntraceparent: ${sampled(traceId).traceparent}\r\n\r\n`);
  await expect.poll(() => silent.received).toHaveLength(1);
  socket.destroy();
  const server = await collector.trace(traceId, 1);
  expect(server).toMatchObject([{ kind: 2, attributes: { 'http.response.status_code': 499 } }]);
});

test('a span has nothing of a query, and no more than 256 characters of what a client makes up', async () => {
  await using collector = await openCollector();
  await using productpage = await start('productpage', collector.env);
  const traceId = newTraceId();
  const long = 'a'.repeat(4000);
  await productpage.request(`/${long}?token=secret-query`, {
    headers: { ...sampled(traceId), 'user-agent': long, host: long },
  });
  const [span] = await collector.trace(traceId, 1);
  expect(JSON.stringify(span)).not.toContain('secret-query');
  expect(span?.attributes).toMatchObject({
    'url.path': `/${long.slice(0, 255)}`,
    'user_agent.original': long.slice(0, 256),
  });
  for (const value of Object.values(span?.attributes ?? {})) expect(String(value).length).toBeLessThanOrEqual(256);
});
