import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';
import { health, stars } from '../../lab/visitor.ts';
import { kubectl } from './kubectl.ts';
import { lesson, reaches, seesOnly } from './lesson.ts';

const WORKLOADS = ['details-v1', 'ratings-v1', 'reviews-v1', 'reviews-v2', 'reviews-v3', 'productpage-v1'];
/** How many rolling restarts, in turn; 20 is what a release is measured with. */
const RESTARTS = Number(process.env.RESTARTS ?? WORKLOADS.length);
/** How many ask at a time, each some ten times a second. */
const CLIENTS = Number(process.env.CLIENTS ?? 2);

const timeout = 120_000 + RESTARTS * 90_000;
lesson('rolling-restart: no request is lost while every pod is replaced', { timeout }, async ({ cluster, visitor }) => {
  await cluster.apply('istio/virtual-service-reviews-v2-v3.yaml');
  await seesOnly(visitor, '9 stars', (page) => `${stars(page)} stars`);
  const outcomes = new Map<string, number>();
  let restarting = true;
  const steady = async () => {
    while (restarting) {
      const outcome = health(await visitor.get());
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
      await sleep(50);
    }
  };
  const began = performance.now();
  const traffic = Array.from({ length: CLIENTS }, steady);
  try {
    for (let restart = 0; restart < RESTARTS; restart++) {
      const name = WORKLOADS[restart % WORKLOADS.length];
      await kubectl(['rollout', 'restart', `deployment/${name}`]);
      await kubectl(['rollout', 'status', `deployment/${name}`, '--timeout=180s']);
    }
    // The last old pods are still draining.
    await sleep(15_000);
  } finally {
    restarting = false;
    await Promise.all(traffic);
  }
  const pages = [...outcomes.values()].reduce((sum, n) => sum + n, 0);
  const perSecond = (pages * 1000) / (performance.now() - began);
  console.log(`${RESTARTS} restarts, ${pages} pages, ${perSecond.toFixed(0)} a second`);
  if (RESTARTS >= WORKLOADS.length) await reaches('4.1', 'restarted');
  expect(Object.fromEntries(outcomes)).toEqual({ 200: expect.any(Number) });
});
