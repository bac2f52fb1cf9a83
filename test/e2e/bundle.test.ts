/** What images run: each service bundled, as the Dockerfile does it. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bundle } from '@bookinfo/bundle';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { startBookinfo } from '../../local/bookinfo.ts';
import { SERVICES, workloads } from '../../local/workloads.ts';
import { newTraceId, openCollector, sampled } from '../support/collector.ts';
import { createMariaDb, mariaDbPath } from '../support/databases.ts';
import { http } from '../support/http.ts';
import { start } from '../support/service.ts';

// Outside of the repository, so that nothing is found that is not in the bundle.
const folder = mkdtempSync(join(tmpdir(), 'bookinfo-bundles-'));
beforeAll(async () => {
  await Promise.all(SERVICES.map((service) => bundle(service, join(folder, service))));
}, 180_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const startBundle = (service: (typeof SERVICES)[number], env: Record<string, string>) =>
  start(service, env, join(folder, service));

test('all of them together serve the page and its files, in one trace', async () => {
  await using collector = await openCollector();
  await using bookinfo = await startBookinfo({
    workloads: workloads('productpage-v1', 'details-v1', 'reviews-v3', 'ratings-v1'),
    bundles: folder,
    env: collector.env,
  });
  const page = `http://127.0.0.1:${bookinfo.ports.productpage}`;
  const traceId = newTraceId();
  const { status, text } = await http(`${page}/productpage`, { headers: sampled(traceId) });
  expect(status).toBe(200);
  expect(text).toContain('reviews-v3');
  expect(text).toContain('glyphicon-star');
  const [style = ''] = /static\/style[^"]*/.exec(text) ?? [];
  expect((await http(`${page}/${style}`)).status).toBe(200);
  const spans = await collector.trace(traceId, 8);
  expect(new Set(spans.map(({ resource }) => resource['service.name']))).toEqual(new Set(SERVICES));
});

describe('the bundle of ratings', () => {
  test.each(['grpc', 'http/json', 'http/protobuf'])('starts with the protocol %s', async (protocol) => {
    await using _ = await startBundle('ratings', {
      OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1',
      OTEL_EXPORTER_OTLP_PROTOCOL: protocol,
      OTEL_METRICS_EXPORTER: 'otlp',
      OTEL_LOGS_EXPORTER: 'otlp',
    });
  });

  test.skipIf(!mariaDbPath)(
    'asks a database in a span, and its stack traces name the sources (needs mariadbd)',
    async () => {
      await using database = await createMariaDb();
      await database.start();
      await database.seed();
      await using collector = await openCollector();
      await using ratings = await startBundle('ratings', { ...database.env, ...collector.env });
      await vi.waitFor(async () => expect((await ratings.request('/ratings/0')).status).toBe(200), { timeout: 10_000 });
      const traceId = newTraceId();
      await ratings.request('/ratings/0', { headers: sampled(traceId) });
      const spans = await collector.trace(traceId, 2);
      expect(spans.map(({ attributes }) => attributes['db.system.name'] ?? attributes['db.system'])).toContain('mysql');

      await database.query('DROP TABLE test.ratings');
      expect((await ratings.request('/ratings/0')).status).toBe(500);
      const source = /services\/ratings\/src\/store\/mysql\.ts:\d+:\d+/;
      await vi.waitFor(() => expect(ratings.lines.join('\n')).toMatch(source));
    },
  );
});
