import { setTimeout as sleep } from 'node:timers/promises';
import { apply, kubectl } from './cluster.ts';
import { lesson } from './lesson.ts';
import { all, get, health, print, stars } from './pages.ts';
import { check } from './results.ts';

export const rollingRestart = [
  lesson('rolling-restart', 'No request is lost while every pod is replaced', async () => {
    await apply('istio/virtual-service-reviews-v2-v3.yaml');
    await all((page) => String(stars(page)), '9');
    const outcomes: Record<string, number> = {};
    let restarting = true;
    const steady = async () => {
      while (restarting) {
        const key = health(await get());
        outcomes[key] = (outcomes[key] ?? 0) + 1;
        await sleep(50);
      }
    };
    const traffic = [steady(), steady()];
    try {
      for (const name of ['details-v1', 'ratings-v1', 'reviews-v1', 'reviews-v2', 'reviews-v3', 'productpage-v1']) {
        await kubectl(['rollout', 'restart', `deployment/${name}`]);
        await kubectl(['rollout', 'status', `deployment/${name}`, '--timeout=180s']);
      }
      // The last old pods are still draining.
      await sleep(15_000);
    } finally {
      restarting = false;
      await Promise.all(traffic);
    }
    check(Object.keys(outcomes).join() === '200', `pages: ${print(outcomes)}`);
  }),
];
