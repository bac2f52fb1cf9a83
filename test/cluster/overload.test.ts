import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';
import { kubectl } from './kubectl.ts';
import { lesson } from './lesson.ts';
import { type Page, reviewsVersion, status } from './visitor.ts';

lesson('circuit-breaker: 503 at once rather than queueing', async ({ cluster, visitor }) => {
  const crowd = { path: '/api/v1/products/0/reviews', atATime: 60 };
  await cluster.apply('istio/virtual-service-all-v1.yaml');
  await visitor.seesOnly('v1', reviewsVersion);
  expect(await visitor.tally(120, status, crowd), '60 at a time without it').toEqual({ 200: 120 });
  await cluster.apply('istio/destination-rule-reviews-circuit-breaker.yaml');
  const some = { 200: expect.any(Number), 503: expect.any(Number) };
  await expect.poll(() => visitor.tally(240, status, crowd), { message: '60 at a time with it' }).toEqual(some);
  expect(await visitor.tally(20, status, { ...crowd, atATime: 1 }), 'one at a time').toEqual({ 200: 20 });
  const sidecar = ['exec', 'deployment/productpage-v1', '--container=istio-proxy', '--'];
  const stats = await kubectl([...sidecar, 'pilot-agent', 'request', 'GET', 'stats']);
  expect(stats, 'what the sidecar of productpage counts').toMatch(
    /reviews\.default.*upstream_rq_pending_overflow: [1-9]/,
  );
});

lesson('rate-limit: ten requests a minute, then 429', async ({ cluster, visitor }) => {
  await cluster.apply('istio/productpage_envoy_ratelimit.yaml');
  const answer = ({ status, headers }: Page) => `${status} ${headers.get('x-local-rate-limit') ?? ''}`.trim();
  // After a minute the bucket is full, and connections that were open, which keep the old rules for 45 s, are gone.
  const twenty = async () => {
    await sleep(62_000);
    return visitor.tally(20, answer, { atATime: 1 });
  };
  await expect.poll(twenty, { timeout: 140_000 }).toEqual({ 200: 10, '429 true': 10 });
});
