import { expect } from 'vitest';
import { page } from '../../lab/checks.ts';
import { pageVersion } from '../../lab/visitor.ts';
import { text } from '../manifests/load.ts';
import { lesson, reaches, sees } from './lesson.ts';

const everybody = {};
const jason = { user: 'jason' };

lesson('all-v1: everything goes to version 1', async ({ cluster }) => {
  await cluster.apply('istio/virtual-service-all-v1.yaml');
  await reaches('2.1', 'version 1');
});

lesson('weights: canaries of reviews by weight', async ({ cluster }) => {
  for (const [file, shares] of [
    ['90-10', { 'v1, no stars': 0.9, 'v2, black stars': 0.1 }],
    ['80-20', { 'v1, no stars': 0.8, 'v2, black stars': 0.2 }],
    ['50-v3', { 'v1, no stars': 0.5, 'v3, red stars': 0.5 }],
  ] as const) {
    await cluster.apply(`istio/virtual-service-reviews-${file}.yaml`);
    await sees(page(everybody, shares));
  }
});

lesson('by-user: jason sees other reviews than everybody else', async ({ cluster, visitor }) => {
  expect((await visitor.get({ headers: await visitor.signIn('jason') })).body).toContain('Sign out');
  await cluster.apply('istio/virtual-service-reviews-test-v2.yaml');
  await sees(page(everybody, { 'v1, no stars': 1 }), page(jason, { 'v2, black stars': 1 }));
  await cluster.apply('istio/virtual-service-reviews-jason-v2-v3.yaml');
  await sees(page(everybody, { 'v3, red stars': 1 }), page(jason, { 'v2, black stars': 1 }));
  // The header is the page's own to set.
  await sees(page({ headers: { 'end-user': 'jason' } }, { 'v3, red stars': 1 }));
});

lesson('canary-reviews: jason gets v2, everybody else 80/20; then half and half, then v3', async ({ cluster }) => {
  await cluster.apply('istio/virtual-service-all-v1.yaml', 'istio/canary-reviews.yaml');
  await reaches('2.2', 'four to one, and jason');
  await cluster.apply('istio/virtual-service-reviews-50-v3.yaml');
  await reaches('2.2', 'half and half');
  await cluster.apply('istio/virtual-service-reviews-v3.yaml');
  await reaches('2.2', 'version 3');
});

lesson('canary-productpage: a canary of the page by header, else one in twenty', async ({ cluster, visitor }) => {
  await cluster.apply('istio/canary-productpage.yaml');
  await cluster.deploy('k8s/productpage-v2.yaml');
  await reaches('2.3', 'by header');
  const headers = { ...(await visitor.signIn('jason')), canary: 'true' };
  const names = await visitor.tally(20, ({ body }) => (body.includes('Sign out') ? 'signed in' : 'signed out'), {
    headers,
  });
  expect(names, 'a session of v1 or v2 holds in v2').toEqual({ 'signed in': 20 });
});

lesson('canary-by-token: a canary by a signed token', async ({ cluster, visitor }) => {
  await cluster.apply('istio/canary-by-token.yaml');
  await cluster.deploy('k8s/productpage-v2.yaml');
  const token = text('istio/tester.jwt').trim();
  const bearer = { headers: { authorization: `Bearer ${token}` } };
  await sees(
    page(bearer, { 'productpage v2': 1 }, { look: pageVersion }),
    page(everybody, { 'productpage v1': 1 }, { look: pageVersion }),
  );
  const forged = token.replace(/.(?=[^.]{20}$)/, (letter) => (letter === 'A' ? 'B' : 'A'));
  const answer = await visitor.get({ headers: { authorization: `Bearer ${forged}` } });
  expect(answer.status, 'one letter of it changed').toBe(401);
});
