import { expect } from 'vitest';
import { kubectl } from './kubectl.ts';
import { lesson, reaches } from './lesson.ts';

lesson('delay: 7 s are longer than 2 × 3 s of the page, shorter than the 10 s of reviews v2', async ({ cluster }) => {
  await cluster.apply('istio/virtual-service-all-v1.yaml', 'istio/virtual-service-reviews-test-v2.yaml');
  await cluster.apply('istio/virtual-service-ratings-test-delay.yaml');
  await reaches('2.4', 'delay');
  await cluster.apply('istio/virtual-service-reviews-v3.yaml');
  await reaches('2.4', 'delay, with the fix');
});

lesson('abort: errors made by the proxy', async ({ cluster, visitor }) => {
  await cluster.apply('istio/virtual-service-all-v1.yaml', 'istio/virtual-service-reviews-test-v2.yaml');
  await cluster.apply('istio/virtual-service-ratings-test-abort.yaml');
  await reaches('2.4', 'error');
  await cluster.apply('istio/fault-injection-details-v1.yaml');
  await expect.poll(async () => (await visitor.get()).body).toContain('Error fetching product details');
  expect(await visitor.get()).toMatchObject({ status: 200, body: expect.stringContaining('Book Reviews') });
  expect((await visitor.get({ path: '/api/v1/products/0' })).status, 'the API passes the status on').toBe(555);
});

lesson('timeout: half a second, tried twice by the page', async ({ cluster }) => {
  await cluster.apply('istio/virtual-service-reviews-timeout.yaml');
  await reaches('2.4', 'timeout');
});

lesson('retries: they hide a version that fails half of the time', async ({ cluster }) => {
  await cluster.apply('istio/virtual-service-reviews-v3.yaml', 'istio/virtual-service-ratings-retries.yaml');
  await cluster.deploy('k8s/ratings-v-faulty.yaml');
  const none = '[{"op":"replace","path":"/spec/http/0/retries","value":{"attempts":0}}]';
  await kubectl(['patch', 'virtualservices.networking.istio.io', 'ratings', '--type=json', `--patch=${none}`]);
  await reaches('2.5', 'without retries');
  await cluster.apply('istio/virtual-service-ratings-retries.yaml');
  await reaches('2.5', 'retries');
});

lesson('mirroring: v1 answers, v3 gets a copy', async ({ cluster }) => {
  await cluster.apply('istio/virtual-service-reviews-mirror.yaml');
  await reaches('2.5', 'mirroring');
});
