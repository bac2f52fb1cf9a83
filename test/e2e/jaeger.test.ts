import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { type Bookinfo, startBookinfo } from '../../local/bookinfo.ts';
import { workloads } from '../../local/workloads.ts';

/** The folder of a Jaeger all-in-one binary: JAEGER_BIN names the file, MESH_BIN a folder that has it. */
const JAEGER = process.env.JAEGER_BIN ?? join(process.env.MESH_BIN ?? '', 'jaeger-all-in-one');
const VIEWS = 100;
const SPANS_PER_VIEW = 8;
const [OTLP, UI, ADMIN] = [24318, 26686, 24269];

/** https://www.jaegertracing.io/docs: GET /api/traces, the JSON that Jaeger's own pages read. */
interface JaegerTrace {
  traceID: string;
  spans: { spanID: string; processID: string; references: { spanID: string; traceID: string }[] }[];
  processes: Record<string, { serviceName: string }>;
}

describe.skipIf(!existsSync(JAEGER))(`traces in a real Jaeger (skipped without JAEGER_BIN or MESH_BIN)`, () => {
  let jaeger: ChildProcess;
  let bookinfo: Bookinfo;

  beforeAll(async () => {
    const none = '127.0.0.1:0';
    jaeger = spawn(JAEGER, [
      `--collector.otlp.http.host-port=127.0.0.1:${OTLP}`,
      `--collector.otlp.grpc.host-port=${none}`,
      `--collector.http-server.host-port=${none}`,
      `--collector.grpc-server.host-port=${none}`,
      `--query.http-server.host-port=127.0.0.1:${UI}`,
      `--query.grpc-server.host-port=127.0.0.1:${UI + 1}`,
      `--admin.http.host-port=127.0.0.1:${ADMIN}`,
    ]);
    await vi.waitFor(async () => expect((await fetch(`http://127.0.0.1:${ADMIN}/`)).ok).toBe(true), 20_000);
    bookinfo = await startBookinfo({
      workloads: workloads('productpage-v1', 'details-v1', 'reviews-v3', 'ratings-v1'),
      env: { OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${OTLP}`, OTEL_BSP_SCHEDULE_DELAY: '200' },
    });
  });
  afterAll(async () => {
    await bookinfo?.[Symbol.asyncDispose]();
    jaeger?.kill();
  });

  test(`of ${VIEWS} page views every one is whole: four services, one root, no orphan`, async () => {
    for (let i = 0; i < VIEWS; i++)
      expect((await fetch(`http://127.0.0.1:${bookinfo.ports.productpage}/productpage`)).status).toBe(200);
    const traces = await vi.waitFor(
      async () => {
        const answer = await fetch(`http://127.0.0.1:${UI}/api/traces?service=productpage&limit=${VIEWS * 2}`);
        const { data } = (await answer.json()) as { data: JaegerTrace[] };
        expect(data.flatMap(({ spans }) => spans)).toHaveLength(VIEWS * SPANS_PER_VIEW);
        return data;
      },
      { timeout: 30_000, interval: 500 },
    );
    expect(traces).toHaveLength(VIEWS);
    for (const { traceID, spans, processes } of traces) {
      const services = new Set(spans.map(({ processID }) => processes[processID]?.serviceName));
      expect([...services].toSorted()).toEqual(['details', 'productpage', 'ratings', 'reviews']);
      const ids = new Set(spans.map(({ spanID }) => spanID));
      expect(spans.filter(({ references }) => references.length === 0)).toHaveLength(1);
      for (const { references } of spans) {
        for (const parent of references) {
          expect(parent.traceID).toBe(traceID);
          expect(ids).toContain(parent.spanID);
        }
      }
    }
  });
});
