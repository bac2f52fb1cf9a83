import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../manifests/load.ts';
import { apply, deploy } from './cluster.ts';
import { lesson } from './lesson.ts';
import { all, answers, ask, get, pageVersion, reviewsVersion, shares, signIn, stars, tally } from './pages.ts';
import { check } from './results.ts';

export const routing = [
  lesson('all-v1', 'Everything to version 1', async () => {
    await apply('istio/virtual-service-all-v1.yaml');
    await all((page) => `${reviewsVersion(page)} ${stars(page)}`, 'v1 0');
  }),

  lesson('weights', 'Canaries of reviews by weight', async () => {
    for (const [file, expected, fresh] of [
      ['90-10', { v1: 0.9, v2: 0.1 }, 'v2'],
      ['80-20', { v1: 0.8, v2: 0.2 }, 'v2'],
      ['50-v3', { v1: 0.5, v3: 0.5 }, 'v3'],
    ] as const) {
      await apply('istio/virtual-service-all-v1.yaml');
      await all(reviewsVersion, 'v1');
      await apply(`istio/virtual-service-reviews-${file}.yaml`);
      await shares(reviewsVersion, expected, fresh);
    }
  }),

  lesson('by-user', 'jason sees other reviews than everybody else', async () => {
    const jason = await signIn('jason');
    check((await get('/productpage', jason)).body.includes('jason'), 'his name is on the page');
    await apply('istio/virtual-service-reviews-test-v2.yaml');
    await all(reviewsVersion, 'v1');
    await all(reviewsVersion, 'v2', jason);
    await apply('istio/virtual-service-reviews-jason-v2-v3.yaml');
    await all(reviewsVersion, 'v3');
    await all(reviewsVersion, 'v2', jason);
    await all(reviewsVersion, 'v3', { 'end-user': 'jason' });
  }),

  lesson('canary-reviews', 'The canary of the course: jason v2, everybody else 80/20', async () => {
    await apply('istio/virtual-service-all-v1.yaml');
    await all(reviewsVersion, 'v1');
    await apply('istio/canary-reviews.yaml');
    await all(reviewsVersion, 'v2', await signIn('jason'));
    await shares(reviewsVersion, { v1: 0.8, v2: 0.2 }, 'v2');
  }),

  lesson('canary-productpage', 'A canary of the page: by header, else one in twenty', async () => {
    await apply('istio/canary-productpage.yaml');
    await deploy('k8s/productpage-v2.yaml');
    await all(pageVersion, 'v2', { canary: 'true' });
    await shares(pageVersion, { v1: 0.95, v2: 0.05 }, 'v2');
    const session = await signIn('jason');
    const names = await tally(20, ({ body }) => (body.includes('jason') ? 'signed in' : 'signed out'), {
      ...session,
      canary: 'true',
    });
    check(Object.keys(names).join() === 'signed in', 'a session of v1 or v2 holds in v2');
    await answers('200', 'the header inside the mesh', () => ask('ratings-v1', 'productpage:9080/productpage'));
  }),

  lesson('canary-by-token', 'A canary by a signed token', async () => {
    await apply('istio/canary-by-token.yaml');
    await deploy('k8s/productpage-v2.yaml');
    const token = readFileSync(join(ROOT, 'istio/tester.jwt'), 'utf8').trim();
    await all(pageVersion, 'v2', { authorization: `Bearer ${token}` });
    await all(pageVersion, 'v1');
    const forged = token.replace(/.(?=[^.]{20}$)/, (letter) => (letter === 'A' ? 'B' : 'A'));
    const { status } = await get('/productpage', { authorization: `Bearer ${forged}` });
    check(status === 401, `one letter of it changed: ${status}`);
  }),
];
