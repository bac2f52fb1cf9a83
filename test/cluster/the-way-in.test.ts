import { expect } from 'vitest';
import { kubectl, list, type Pod } from './kubectl.ts';
import { lesson } from './lesson.ts';
import { reviewsVersion, stars } from './visitor.ts';

lesson('install: Istio and the application run, each pod with its sidecar', async () => {
  const control = await list<Pod>('pods', '--namespace=istio-system');
  const running = control.filter(({ status }) => status.phase === 'Running').map(({ metadata }) => metadata.name);
  for (const name of ['istiod', 'istio-ingressgateway', 'istio-egressgateway'])
    expect.soft(running).toContainEqual(expect.stringMatching(`^${name}-`));
  const pods = await list<Pod>('pods', '--selector=app in (productpage, details, reviews, ratings)');
  expect(pods.length).toBeGreaterThanOrEqual(6);
  for (const { metadata, spec, status } of pods) {
    const containers = [...(spec.initContainers ?? []), ...spec.containers].map(({ name }) => name);
    expect.soft(containers, metadata.name).toContain('istio-proxy');
    expect
      .soft(
        status.containerStatuses?.every(({ ready }) => ready),
        `${metadata.name} is ready`,
      )
      .toBe(true);
  }
  const ratings = ['exec', 'deployment/ratings-v1', '--container=ratings', '--'];
  const page = await kubectl([...ratings, 'curl', '-sS', 'productpage:9080/productpage']);
  expect(page).toContain('<title>Simple Bookstore App</title>');
});

lesson('gateway: the page and everything on it comes in through the gateway', async ({ visitor }) => {
  const page = await visitor.get();
  expect(page.body).toContain('<title>Simple Bookstore App</title>');
  const assets = [...page.body.matchAll(/(?:src|href)="(static\/[^"]+)"/g)].map(([, asset]) => `/${asset}`);
  expect(assets, 'style sheet and icon').toContainEqual(expect.stringMatching(/\.css$/));
  const api = ['', '/0', '/0/reviews', '/0/ratings'].map((rest) => `/api/v1/products${rest}`);
  for (const path of [...assets, ...api]) expect.soft((await visitor.get(path)).status, path).toBe(200);
  expect((await visitor.get('/metrics')).status, '/metrics stays inside').toBe(404);
});

lesson('no-rules: without rules the three versions of reviews take turns', async ({ visitor }) => {
  const seen = await visitor.tally(60, (page) => `${reviewsVersion(page)} with ${stars(page)} stars`);
  expect(Object.keys(seen).sort()).toEqual(['v1 with 0 stars', 'v2 with 9 stars', 'v3 with 9 stars']);
});
