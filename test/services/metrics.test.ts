import { text } from 'node:stream/consumers';
import { describe, expect, test, vi } from 'vitest';
import { SERVICES } from '../../local/workloads.ts';
import { start, useService } from '../support/service.ts';
import { openStub } from '../support/stub.ts';

const COUNT = 'http_server_request_duration_seconds_count';

describe.each(SERVICES)('the metrics of %s', (name) => {
  const service = useService(name);
  const read = async () => (await service.request('/metrics')).text;
  const series = async () => (await read()).split('\n').filter((line) => line.startsWith(COUNT));
  const counted = async (labels: string) => {
    const line = (await series()).find((s) => s.startsWith(`${COUNT}{${labels}}`));
    return Number(line?.split(' ').at(-1) ?? 0);
  };

  test('are in the format that Prometheus reads', async () => {
    const { status, headers, text } = await service.request('/metrics');
    expect(status).toBe(200);
    expect(headers['content-type']).toMatch('text/plain; version=0.0.4');
    expect(text).toMatch(/^# TYPE http_server_request_duration_seconds histogram$/m);
  });

  test('tell about the process', async () => {
    const metrics = await read();
    for (const metric of [
      'nodejs_eventloop_lag_seconds',
      'nodejs_heap_size_used_bytes',
      'process_resident_memory_bytes',
      'process_cpu_seconds_total',
    ]) {
      expect(metrics).toMatch(new RegExp(`^${metric} [0-9.e-]+$`, 'm'));
    }
  });

  test('tell the lag of the event loop without the interval at which it is measured', async () => {
    const max = async () => Number(/^nodejs_eventloop_lag_max_seconds (\S+)$/m.exec(await read())?.[1]);
    const measured = await vi.waitUntil(max, { timeout: 20_000, interval: 1500 });
    expect(measured).toBeLessThan(0.9);
  });

  test('count every request by method, route and status', async () => {
    const labels = 'http_request_method="GET",http_route="/health",http_response_status_code="200"';
    const before = await counted(labels);
    await service.request('/health?x=1');
    await service.request('/health?x=2');
    expect(await counted(labels)).toBe(before + 2);
  });
});

test('metrics stay few whatever addresses clients think up', async () => {
  await using productpage = await start('productpage');
  const paths = Array.from(
    { length: 1000 },
    (_, i) =>
      [`/${crypto.randomUUID()}`, `/static/${i}.css`, `/api/v1/products/x${i}`, `/login/${i}?q=${i}`][i % 4] ?? '',
  );
  for (let i = 0; i < 1000; i += 50) {
    await Promise.all(paths.slice(i, i + 50).map((path) => productpage.request(path)));
  }
  const { text } = await productpage.request('/metrics');
  const series = text.split('\n').filter((line) => line.startsWith(COUNT));
  expect(series.toSorted()).toEqual([
    `${COUNT}{http_request_method="GET",http_route="/api/v1/products/{productId}",http_response_status_code="400"} 250`,
    `${COUNT}{http_request_method="GET",http_route="/static/*",http_response_status_code="404"} 250`,
    `${COUNT}{http_request_method="GET",http_route="unmatched",http_response_status_code="404"} 500`,
  ]);
});

test('numbers in the path are one route, in the spelling of OpenAPI', async () => {
  await using service = await start('reviews');
  await Promise.all([1, 2, 3].map((id) => service.request(`/reviews/${id}`)));
  const { text } = await service.request('/metrics');
  expect(text).toContain(
    `${COUNT}{http_request_method="GET",http_route="/reviews/{productId}",http_response_status_code="200"} 3`,
  );
});

test("OpenTelemetry's metrics of the runtime are exported where they are asked for", async () => {
  let exported = '';
  await using collector = await openStub(async (response, request) => {
    exported += await text(request);
    response.end();
  });
  await using _ = await start('details', {
    OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${collector.port}`,
    OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
    OTEL_METRICS_EXPORTER: 'otlp',
    OTEL_METRIC_EXPORT_INTERVAL: '500',
    OTEL_METRIC_EXPORT_TIMEOUT: '400',
  });
  await vi.waitFor(() => expect(exported).toContain('nodejs.eventloop.delay.p99'), { timeout: 20_000 });
});
