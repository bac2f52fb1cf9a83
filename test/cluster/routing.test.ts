import { expect } from 'vitest';
import { text } from '../manifests/load.ts';
import { ask, lesson } from './lesson.ts';
import { pageVersion, reviewsVersion, stars } from './visitor.ts';

lesson('all-v1: everything goes to version 1', async ({ cluster, visitor }) => {
  await cluster.apply('istio/virtual-service-all-v1.yaml');
  await visitor.seesOnly('v1, 0 stars', (page) => `${reviewsVersion(page)}, ${stars(page)} stars`);
});

lesson('weights: canaries of reviews by weight', async ({ cluster, visitor }) => {
  for (const [file, expected, fresh] of [
    ['90-10', { v1: 0.9, v2: 0.1 }, 'v2'],
    ['80-20', { v1: 0.8, v2: 0.2 }, 'v2'],
    ['50-v3', { v1: 0.5, v3: 0.5 }, 'v3'],
  ] as const) {
    await cluster.apply('istio/virtual-service-all-v1.yaml');
    await visitor.seesOnly('v1', reviewsVersion);
    await cluster.apply(`istio/virtual-service-reviews-${file}.yaml`);
    await visitor.seesShares(expected, reviewsVersion, fresh);
  }
});

lesson('by-user: jason sees other reviews than everybody else', async ({ cluster, visitor }) => {
  const jason = await visitor.signIn('jason');
  expect((await visitor.get('/productpage', jason)).body).toContain('Sign out');
  await cluster.apply('istio/virtual-service-reviews-test-v2.yaml');
  await visitor.seesOnly('v1', reviewsVersion);
  await visitor.seesOnly('v2', reviewsVersion, jason);
  await cluster.apply('istio/virtual-service-reviews-jason-v2-v3.yaml');
  await visitor.seesOnly('v3', reviewsVersion);
  await visitor.seesOnly('v2', reviewsVersion, jason);
  // The header is the page's own to set.
  await visitor.seesOnly('v3', reviewsVersion, { 'end-user': 'jason' });
});

lesson('canary-reviews: jason gets v2, everybody else 80/20', async ({ cluster, visitor }) => {
  await cluster.apply('istio/virtual-service-all-v1.yaml');
  await visitor.seesOnly('v1', reviewsVersion);
  await cluster.apply('istio/canary-reviews.yaml');
  await visitor.seesOnly('v2', reviewsVersion, await visitor.signIn('jason'));
  await visitor.seesShares({ v1: 0.8, v2: 0.2 }, reviewsVersion, 'v2');
});

lesson('canary-productpage: a canary of the page by header, else one in twenty', async ({ cluster, visitor }) => {
  await cluster.apply('istio/canary-productpage.yaml');
  await cluster.deploy('k8s/productpage-v2.yaml');
  await visitor.seesOnly('v2', pageVersion, { canary: 'true' });
  await visitor.seesShares({ v1: 0.95, v2: 0.05 }, pageVersion, 'v2');
  const headers = { ...(await visitor.signIn('jason')), canary: 'true' };
  const names = await visitor.tally(20, ({ body }) => (body.includes('Sign out') ? 'signed in' : 'signed out'), {
    headers,
  });
  expect(names, 'a session of v1 or v2 holds in v2').toEqual({ 'signed in': 20 });
  await expect
    .poll(() => ask('ratings-v1', 'productpage:9080/productpage'), { message: 'inside the mesh' })
    .toMatch(/^200/);
});

lesson('canary-by-token: a canary by a signed token', async ({ cluster, visitor }) => {
  await cluster.apply('istio/canary-by-token.yaml');
  await cluster.deploy('k8s/productpage-v2.yaml');
  const token = text('istio/tester.jwt').trim();
  await visitor.seesOnly('v2', pageVersion, { authorization: `Bearer ${token}` });
  await visitor.seesOnly('v1', pageVersion);
  const forged = token.replace(/.(?=[^.]{20}$)/, (letter) => (letter === 'A' ? 'B' : 'A'));
  const answer = await visitor.get('/productpage', { authorization: `Bearer ${forged}` });
  expect(answer.status, 'one letter of it changed').toBe(401);
});
