import { describe, expect, test, vi } from 'vitest';
import { backendAt } from '../../../local/bookinfo.ts';
import { type Collector, newSpanId, newTraceId, openCollector, sampled } from '../../support/collector.ts';
import { type Env, type TestedService, useResource, useService } from '../../support/service.ts';
import { answers, type Stub, useStub } from '../../support/stub.ts';

interface Traced {
  collector: Collector;
  ratings: Stub;
  reviews: TestedService;
  /** The headers that ratings was asked with, when reviews was asked with these. */
  send(headers: Record<string, string>): Promise<Stub['received'][number]['headers']>;
}

/** Reviews with a stub in place of ratings: what goes in is the test's, what comes out the stub has seen. */
function useReviews(env: Env = {}): Traced {
  const collector = useResource(openCollector);
  const ratings = useStub(answers({}, 503));
  const reviews = useService('reviews', () => ({
    ENABLE_RATINGS: 'true',
    ...collector.env,
    ...backendAt('ratings', ratings.port),
    ...env,
  }));
  return {
    collector,
    ratings,
    reviews,
    async send(headers) {
      await reviews.request('/reviews/0', { headers });
      const received = ratings.received.at(-1);
      const names = received?.rawHeaders.filter((_, i) => i % 2 === 0) ?? [];
      expect(names, 'no header twice').toEqual([...new Set(names)]);
      return received?.headers ?? {};
    },
  };
}

describe('with telemetry on, the outgoing trace headers name our own client span, once and in agreement', () => {
  const { collector, ratings, reviews, send } = useReviews();

  const T = newTraceId();
  const S = newSpanId();
  const w3c = { traceparent: `00-${T}-${S}-01`, tracestate: 'vendor=1', baggage: 'course=mesh' };
  const b3 = { 'x-b3-traceid': T, 'x-b3-spanid': S, 'x-b3-sampled': '1', 'x-b3-parentspanid': newSpanId() };

  test.each([
    ['W3C', w3c],
    ['B3 in several headers', b3],
    ['B3 in one header', { b3: `${T}-${S}-1` }],
    ['W3C and B3', { ...b3, ...w3c }],
    ['W3C and a stale B3 parent', { ...b3, 'x-b3-spanid': newSpanId(), ...w3c }],
  ])('continuing %s', async (_name, headers) => {
    const out = await send(headers);
    const [, traceId, spanId, flags] = String(out.traceparent).split('-');
    expect({ traceId, flags }).toEqual({ traceId: T, flags: '01' });
    expect(out).toMatchObject({ 'x-b3-traceid': T, 'x-b3-spanid': spanId, 'x-b3-sampled': '1' });
    expect(out).not.toHaveProperty('b3');
    const client = await vi.waitUntil(() => collector.spans.find((span) => span.spanId === spanId));
    const server = await vi.waitUntil(() => collector.spans.find((span) => span.spanId === client.parentSpanId));
    expect(server).toMatchObject({ traceId: T, parentSpanId: S });
    expect(client).toMatchObject({ traceId: T, kind: 3 });
  });

  test('keeping tracestate and baggage', async () => {
    expect(await send(w3c)).toMatchObject({ tracestate: 'vendor=1', baggage: 'course=mesh' });
  });

  test.each([
    ['none', {}],
    ['malformed ones', { traceparent: '00-zz-1-01', 'x-b3-traceid': 'nope', b3: '!', 'x-b3-parentspanid': '' }],
  ])('beginning a trace where there are %s', async (_name, headers) => {
    const out = await send(headers);
    const [, traceId, spanId] = String(out.traceparent).split('-');
    expect(traceId).toMatch(/^[0-9a-f]{32}$/);
    expect(out).toMatchObject({ 'x-b3-traceid': traceId, 'x-b3-spanid': spanId });
  });

  test('each in its own trace, also for requests that had to wait for one another', async () => {
    const traceIds = Array.from({ length: 200 }, newTraceId);
    await Promise.all(
      traceIds.map((id) => reviews.request('/reviews/0', { headers: { ...sampled(id), 'x-request-id': id } })),
    );
    const sent = ratings.received.filter(({ headers }) => traceIds.includes(String(headers['x-request-id'])));
    // A busy machine may refuse some of them.
    expect(sent.length).toBeGreaterThan(32);
    for (const { headers } of sent) expect(headers.traceparent).toContain(headers['x-request-id']);
  });

  const U = newTraceId();
  test.each([
    ['W3C', { traceparent: `00-${U}-${S}-00` }],
    ['B3', { 'x-b3-traceid': U, 'x-b3-spanid': S, 'x-b3-sampled': '0' }],
    ['B3 in one header', { b3: `${U}-${S}-0` }],
  ])('passing on that %s is not sampled, and recording nothing', async (_name, headers) => {
    const out = await send(headers);
    expect(out.traceparent).toMatch(new RegExp(`^00-${U}-[0-9a-f]{16}-00$`));
    expect(out['x-b3-sampled']).toBe('0');
    // A sampled request behind it arrives at the receiver, and alone.
    const next = newTraceId();
    await send(sampled(next));
    await collector.trace(next, 2);
    expect(collector.spans.filter(({ traceId }) => traceId === U)).toEqual([]);
  });

  test('leaving the headers of other tracers as they are', async () => {
    const foreign = {
      'x-ot-span-context': 'a;b',
      'x-datadog-trace-id': '1',
      'x-cloud-trace-context': 'c/1',
      sw8: '1-x',
      'grpc-trace-bin': 'AA',
    };
    expect(await send({ ...w3c, ...foreign })).toMatchObject(foreign);
  });
});

describe.each([
  ['without an endpoint', { OTEL_EXPORTER_OTLP_ENDPOINT: '' }],
  ['with OTEL_SDK_DISABLED=true', { OTEL_SDK_DISABLED: 'true' }],
])('%s', (_name, env) => {
  const { collector, reviews, send } = useReviews(env);

  test('trace headers pass through verbatim, nothing is exported and nothing complained about', async () => {
    const headers = {
      traceparent: sampled(newTraceId()).traceparent,
      tracestate: 'vendor=1',
      baggage: 'course=mesh',
      b3: `${newTraceId()}-${newSpanId()}-1`,
      'x-b3-traceid': newTraceId(),
      'x-b3-spanid': newSpanId(),
      'x-b3-sampled': '1',
      'x-b3-flags': '0',
    };
    expect(await send(headers)).toMatchObject(headers);
    expect(collector.spans).toEqual([]);
    const line = await vi.waitUntil(() => reviews.log().find(({ msg }) => msg === 'GET /reviews/0 200'));
    expect(line, 'the log still names the trace').toMatchObject({ trace_id: headers.traceparent.split('-')[1] });
  });
});
