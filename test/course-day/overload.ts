import { setTimeout as sleep } from 'node:timers/promises';
import { apply, kubectl } from './cluster.ts';
import { lesson } from './lesson.ts';
import { all, type Page, print, reviewsVersion, tally } from './pages.ts';
import { check, eventually } from './results.ts';

export const overload = [
  lesson('circuit-breaker', 'A circuit breaker answers 503 at once rather than queueing', async () => {
    const reviews = '/api/v1/products/0/reviews';
    const status = (page: Page) => String(page.status);
    await apply('istio/virtual-service-all-v1.yaml');
    await all(reviewsVersion, 'v1');
    const before = await tally(120, status, {}, reviews, 60);
    check(Object.keys(before).join() === '200', `60 at a time without it: ${print(before)}`);
    await apply('istio/destination-rule-reviews-circuit-breaker.yaml');
    const open = await eventually(
      () => tally(240, status, {}, reviews, 60),
      (seen) => '503' in seen,
    );
    check(Object.keys(open).sort().join() === '200,503', `60 at a time with it: ${print(open)}`);
    const after = await tally(20, status, {}, reviews, 1);
    check(Object.keys(after).join() === '200', `one at a time: ${print(after)}`);
    const stats = [
      'exec',
      'deployment/productpage-v1',
      '--container=istio-proxy',
      '--',
      'pilot-agent',
      'request',
      'GET',
      'stats',
    ];
    const overflow = (await kubectl(stats)).match(/reviews\.default.*upstream_rq_pending_overflow: ([1-9]\d*)/)?.[1];
    check(overflow !== undefined, `the sidecar of productpage counts ${overflow ?? 'no'} overflows`);
  }),

  lesson('rate-limit', 'Ten requests a minute, then 429', async () => {
    await apply('istio/productpage_envoy_ratelimit.yaml');
    const answer = ({ status, headers }: Page) => `${status} ${headers.get('x-local-rate-limit') ?? ''}`.trim();
    const wanted = '200 × 10, 429 true × 10';
    // After a minute the bucket is full, and connections that were open, which keep the old rules for 45 s, are gone.
    const twenty = async () => {
      await sleep(62_000);
      return print(await tally(20, answer, {}, undefined, 1));
    };
    const outcomes = await eventually(twenty, (seen) => seen === wanted, 100);
    check(outcomes === wanted, outcomes);
  }),
];
