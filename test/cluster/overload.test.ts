import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';
import { content, type Page, status } from '../../lab/visitor.ts';
import { kubectl } from './kubectl.ts';
import { lesson, reaches, seesOnly } from './lesson.ts';

lesson('circuit-breaker: 503 at once rather than queueing', async ({ cluster, visitor }) => {
  await cluster.apply('istio/virtual-service-all-v1.yaml');
  await seesOnly(visitor, 'v1, no stars', content);
  const crowd = await visitor.tally(120, status, { path: '/api/v1/products/0/reviews' }, 60);
  expect(crowd, '60 at a time without it').toEqual({ 200: 120 });
  await cluster.apply('istio/destination-rule-reviews-circuit-breaker.yaml');
  await reaches('2.6', 'circuit breaker');
  const sidecar = ['exec', 'deployment/productpage-v1', '--container=istio-proxy', '--'];
  const stats = await kubectl([...sidecar, 'pilot-agent', 'request', 'GET', 'stats']);
  expect(stats, 'what the sidecar of productpage counts').toMatch(
    /reviews\.default.*upstream_rq_pending_overflow: [1-9]/,
  );
});

lesson('rate-limit: ten requests a minute, then 429', async ({ cluster, visitor }) => {
  await cluster.apply('istio/productpage_envoy_ratelimit.yaml');
  const answer = ({ status, headers }: Page) => `${status} ${headers['x-local-rate-limit'] ?? ''}`.trim();
  // After a minute the bucket is full, and connections that were open, which keep the old rules for 45 s, are gone.
  const twenty = async () => {
    await sleep(62_000);
    return visitor.tally(20, answer, {}, 1);
  };
  await expect.poll(twenty, { timeout: 140_000 }).toEqual({ 200: 10, '429 true': 10 });
  await reaches('2.6', 'rate limit');
});
