import { expect } from 'vitest';
import { lesson, reaches } from './lesson.ts';

lesson('install: Istio and the application run, each pod with its sidecar', async () => {
  await reaches('1.1');
  await reaches('1.2');
});

lesson('gateway: the page and everything on it comes in through the gateway', async ({ visitor }) => {
  await reaches('1.3');
  const page = await visitor.get();
  const assets = [...page.body.matchAll(/(?:src|href)="(static\/[^"]+)"/g)].map(([, asset]) => `/${asset}`);
  expect(assets, 'style sheet and icon').toContainEqual(expect.stringMatching(/\.css$/));
  const api = ['', '/0', '/0/reviews', '/0/ratings'].map((rest) => `/api/v1/products${rest}`);
  for (const path of [...assets, ...api]) expect.soft((await visitor.get({ path })).status, path).toBe(200);
  expect((await visitor.get({ path: '/metrics' })).status, '/metrics stays inside').toBe(404);
});

lesson('no-rules: without rules the three versions of reviews take turns', async () => {
  await reaches('1.3', 'no rules');
});
