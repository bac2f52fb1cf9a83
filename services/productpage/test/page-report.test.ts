import { beforeEach, describe, expect, test, vi } from 'vitest';
import { backendAt } from '../../../local/bookinfo.ts';
import { freePort } from '../../../local/free-port.ts';
import { RATINGS_ERROR, reviewsOf, stars } from '../../../test/support/bodies.ts';
import { form } from '../../../test/support/http.ts';
import { start } from '../../../test/support/service.ts';
import { answers, answersText, type Behaviour, firstly, refusesAsProxy, resets } from '../../../test/support/stub.ts';
import { GOOD, useShop, wordsOf } from './shop.ts';

const PAGE = '/api/v1/products/0/page';
const MS = expect.any(Number);
/** As reviews v3 says whom it asked. */
const TIMING =
  'total;dur=9, ratings;dur=4;desc="v1 ratings-v1-abc 200";start=2;version="v1";pod="ratings-v1-abc";status=200';

interface Report {
  durationMs: number;
  calls: {
    service: string;
    parent: string;
    tries: { startMs: number; durationMs: number; [key: string]: unknown }[];
  }[];
}

describe('how the page came about, as JSON and as a picture', () => {
  const shop = useShop({ SERVICE_VERSION: 'v1', HOSTNAME: 'productpage-v1-abc' });
  const report = async (headers: Record<string, string> = {}) => {
    const answer = await shop.productpage.request(PAGE, { headers });
    expect(answer.status).toBe(200);
    return answer.json as Report;
  };
  const callOf = async (service: string) => (await report()).calls.find((call) => call.service === service);
  const answersAs = (version: string, body: unknown, timing?: string): Behaviour =>
    answers(body, 200, {
      'x-service-version': version,
      'x-pod-name': `${version}-abc`,
      ...(timing !== undefined && { 'server-timing': timing }),
    });

  beforeEach(() => {
    shop.details.behave(answersAs('v1', GOOD.details));
    shop.reviews.behave(answersAs('v3', reviewsOf('reviews-v3-abc', stars('red')), TIMING));
  });

  test('names every try with its version and pod, and the request', async () => {
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    expect(await report({ 'x-request-id': 'request-1', traceparent })).toEqual({
      productpage: { version: 'v1', pod: 'productpage-v1-abc' },
      durationMs: MS,
      requestId: 'request-1',
      traceId: '0af7651916cd43dd8448eb211c80319c',
      calls: [
        {
          service: 'details',
          parent: 'productpage',
          tries: [{ startMs: MS, durationMs: MS, ok: true, status: 200, version: 'v1', pod: 'v1-abc' }],
        },
        {
          service: 'reviews',
          parent: 'productpage',
          tries: [{ startMs: MS, durationMs: MS, ok: true, status: 200, version: 'v3', pod: 'v3-abc', stars: 'red' }],
        },
        {
          service: 'ratings',
          parent: 'reviews',
          tries: [{ startMs: MS, durationMs: 4, ok: true, status: 200, version: 'v1', pod: 'ratings-v1-abc' }],
        },
      ],
    });
  });

  test('is kept by no cache, and answered for any product', async () => {
    const { headers } = await shop.productpage.request(PAGE);
    expect(headers['cache-control']).toBe('no-store');
    expect(await shop.productpage.request('/api/v1/products/42/page')).toMatchObject({ status: 200 });
    expect(shop.reviews.received.at(-1)?.path).toBe('/reviews/42');
    expect(await shop.productpage.request('/api/v1/products/x/page')).toMatchObject({
      status: 400,
      text: '{"error":"please provide numeric product id"}',
    });
  });

  test('names the header that tells the backends who is signed in', async () => {
    const { headers } = await shop.productpage.request('/login', form({ username: '제이슨', passwd: 'x' }));
    const cookie = String(headers['set-cookie']).split(';')[0] ?? '';
    expect(await report({ cookie })).toMatchObject({ endUser: '%EC%A0%9C%EC%9D%B4%EC%8A%A8' });
    const words = wordsOf(await shop.page({ cookie }));
    expect(words).toContain('제이슨end-user: %EC%A0%9C%EC%9D%B4%EC%8A%A8');
    expect(await report()).not.toHaveProperty('endUser');
  });

  const lineOf = (requestId: string) =>
    vi.waitFor(() => {
      const line = shop.productpage.log().find(({ request_id, calls }) => request_id === requestId && calls);
      if (!line) throw new Error(`${requestId} has no line that names its calls`);
      return line;
    });

  test('is in the log: who is signed in, and who was asked', async () => {
    const { headers } = await shop.productpage.request('/login', form({ username: '제이슨', passwd: 'x' }));
    const cookie = String(headers['set-cookie']).split(';')[0] ?? '';
    await report({ cookie, 'x-request-id': 'seen' });
    const calls = 'details v1, reviews v3 → ratings v1';
    expect(await lineOf('seen')).toMatchObject({ path: PAGE, status: 200, end_user: '제이슨', calls });
    await shop.page({ 'x-request-id': 'nobody' });
    expect(await lineOf('nobody')).not.toHaveProperty('end_user');
  });

  test('is in the log with what failed, and how', async () => {
    shop.details.behave(refusesAsProxy(555, 'fault filter abort'));
    shop.reviews.behave(answers({ error: 'down' }, 503, { 'x-service-version': 'v2' }));
    await shop.page({ 'x-request-id': 'failed' });
    const calls = 'details ✕ 555 from a proxy: fault filter abort, reviews v2 ✕ answered 503 (2 tries)';
    expect(await lineOf('failed')).toMatchObject({ path: '/productpage', status: 200, calls });
  });

  test('tells what a proxy said from what a service said, in the words of the proxy', async () => {
    shop.details.behave(refusesAsProxy(555, 'fault filter abort'));
    shop.reviews.behave(answers({ error: 'down' }, 503, { 'x-service-version': 'v-faulty' }));
    const { calls } = await report();
    expect(calls).toEqual([
      {
        service: 'details',
        parent: 'productpage',
        tries: [
          {
            startMs: MS,
            durationMs: MS,
            ok: false,
            status: 555,
            reason: 'status',
            from: 'proxy',
            text: 'fault filter abort',
          },
        ],
      },
      {
        service: 'reviews',
        parent: 'productpage',
        tries: Array(2).fill({
          startMs: MS,
          durationMs: MS,
          ok: false,
          status: 503,
          version: 'v-faulty',
          reason: 'status',
          from: 'service',
        }),
      },
    ]);
    const words = wordsOf(await shop.page());
    expect(words).toContain('555 from a proxy: fault filter abort');
    expect(words).toContain('answered 503 (2 tries)');
  });

  test('has a bar for each try, in the order of the tries', async () => {
    const good = answersAs('v3', reviewsOf('reviews-v3-abc', stars('red')), TIMING);
    shop.reviews.behave(firstly(refusesAsProxy(503, 'no healthy upstream'), good));
    const page = await shop.page();
    const [row = ''] = /<tr[^>]*><th[^>]*>reviews<.*/.exec(page) ?? [];
    const bars = [...row.matchAll(/<rect x="([\d.]+)%" width="([\d.]+)%"[^>]*?(class="failed")?\/>/g)].map(
      ([, x, width, failed]) => ({ x: Number(x), width: Number(width), failed: failed !== undefined }),
    );
    expect(bars.map(({ failed }) => failed)).toEqual([true, false]);
    const [first, second] = bars;
    // Not after its end: times are in tenths of a millisecond, which of a fast page is some per cent.
    expect(second?.x).toBeGreaterThanOrEqual(first?.x ?? 0);
    expect((second?.x ?? 0) + (second?.width ?? 0)).toBeLessThanOrEqual(100.1);
    expect(wordsOf(row)).toContain('503 from a proxy: no healthy upstreamOK');
    expect(page).toContain('2 tries');
  });

  test('draws the call to ratings inside the one to reviews', async () => {
    const { calls } = await report();
    const [reviews, ratings] = [calls[1]?.tries[0], calls[2]?.tries[0]];
    expect(ratings?.startMs).toBeGreaterThanOrEqual(reviews?.startMs ?? Number.NaN);
  });

  test.each([
    ['nothing', undefined],
    ['another metric', 'cache;desc=hit;dur=2.5'],
    ['what is no list', 'total;dur=1, ;;"'],
    ['a try without a beginning', 'total;dur=9, ratings;dur=4;status=200'],
    ['a try of an unknown reason', 'total;dur=9, ratings;dur=4;start=1;reason="magic"'],
  ])('says nothing of ratings when reviews sends %s', async (_what, timing) => {
    shop.reviews.behave(answersAs('v3', reviewsOf('reviews-v3-abc', [RATINGS_ERROR, RATINGS_ERROR]), timing));
    expect(await callOf('reviews')).toMatchObject({ tries: [{ ok: true }] });
    expect(await callOf('ratings')).toBeUndefined();
    expect(await shop.page()).toContain('Ratings service is currently unavailable');
  });

  test('shows how ratings failed, although reviews answered', async () => {
    const timing =
      'total;dur=2503, ratings;dur=2501;desc="timeout";start=1;timeout=2500;reason="timeout";from="nobody"';
    shop.reviews.behave(answersAs('v3', reviewsOf('reviews-v3-abc', [RATINGS_ERROR, RATINGS_ERROR]), timing));
    expect(await callOf('ratings')).toMatchObject({ tries: [{ ok: false, reason: 'timeout', timeoutMs: 2500 }] });
    expect(wordsOf(await shop.page())).toContain('no answer within 2.5 s');
  });

  test.each([
    ['resets the connection', resets, 'reset', 'connection broken off', '연결 끊김'],
    [
      'sends no JSON',
      answersText('<h1>It works</h1>', 'text/html'),
      'body',
      'answered 200, but not with',
      '본문이 예상과 다름',
    ],
    ['answers 404', answers({}, 404, { 'x-service-version': 'v1' }), 'status', 'answered 404', '응답 코드 404'],
    [
      'is refused by a proxy',
      refusesAsProxy(503, 'overflow'),
      'status',
      '503 from a proxy: overflow',
      '프록시가 503 응답: overflow',
    ],
  ])(
    'has a code for it, and words in each language, when details %s',
    async (_what, behaviour, reason, english, korean) => {
      shop.details.behave(behaviour);
      expect(await callOf('details')).toMatchObject({ tries: [{ ok: false, reason }] });
      expect(wordsOf(await shop.page())).toContain(english);
      expect(wordsOf(await shop.page({}, '?lang=ko'))).toContain(korean);
      expect(wordsOf(await shop.page({}, '?lang=ko'))).not.toContain(english);
    },
  );

  test('says once which connection was refused', async () => {
    await using alone = await start('productpage', {
      ...backendAt('details', await freePort()),
      ...backendAt('reviews', shop.reviews.port),
    });
    const { text } = await alone.request(PAGE);
    expect(text).toContain('"reason":"refused"');
    expect(text.match(/ECONNREFUSED/g)).toHaveLength(1);
  });

  test.each([PAGE, '/productpage', '/productpage?view=live'])('is in the Server-Timing header of %s', async (path) => {
    const { headers } = await shop.productpage.request(path);
    expect(headers['server-timing']).toMatch(
      /^total;dur=[\d.]+, details;dur=.*desc="v1 v1-abc 200".*, reviews;.*desc="v3 v3-abc 200".*, ratings;.*desc="v1 ratings-v1-abc 200"/,
    );
  });

  test('keeps what backends say out of the markup and of the header', async () => {
    const evil = '<img src=x>"\r\nx-evil: 1';
    shop.reviews.behave((response) => {
      response.writeHead(503, { 'content-type': 'text/plain' }).end(evil);
    });
    shop.details.behave(answersAs('<script>"', GOOD.details));
    const { text, headers } = await shop.productpage.request('/productpage');
    expect(text).not.toMatch(/<script|<img/);
    expect(headers).not.toHaveProperty('x-evil');
  });
});
