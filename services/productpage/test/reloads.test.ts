import { describe, expect, test } from 'vitest';
import { backendAt } from '../../../local/bookinfo.ts';
import { openKubeService } from '../../../local/kube-service.ts';
import { RATINGS_ERROR, reviewsOf, stars } from '../../../test/support/bodies.ts';
import { start, useResource, useService } from '../../../test/support/service.ts';
import { answers, openStub, useStub } from '../../../test/support/stub.ts';
import { GOOD, wordsOf } from './shop.ts';

describe('without a mesh, behind a name that balances by connection', () => {
  const details = useStub(answers(GOOD.details));
  const versions = [
    useStub(answers(reviewsOf('reviews-v1-abc'))),
    useStub(answers(reviewsOf('reviews-v2-abc', stars('black')))),
    useStub(answers(reviewsOf('reviews-v3-abc', stars('red')))),
  ];
  const reviews = useResource(async () => {
    const service = await openKubeService();
    for (const { port } of versions) service.add(port);
    return service;
  });
  const productpage = useService('productpage', () => ({
    ...backendAt('details', details.port),
    ...backendAt('reviews', reviews.port),
  }));
  const servedBy = async () => {
    const { text } = await productpage.request('/productpage');
    return /Reviews served by: (\S+)/.exec(wordsOf(text))?.[1];
  };

  test('ten reloads show at least two versions of reviews', async () => {
    const pods = [];
    for (let i = 0; i < 10; i++) pods.push(await servedBy());
    expect(pods).not.toContain(undefined);
    expect(new Set(pods).size).toBeGreaterThanOrEqual(2);
  });

  test('thirty reloads show all of them, and their stars are 0 or 9', async () => {
    const counts = new Set<number>();
    const pods = new Set<string | undefined>();
    for (let i = 0; i < 30; i++) {
      const { text } = await productpage.request('/productpage');
      counts.add(text.split('\n').filter((line) => line.includes('glyphicon-star')).length);
      pods.add(/Reviews served by: (\S+)/.exec(wordsOf(text))?.[1]);
    }
    expect(counts).toEqual(new Set([0, 9]));
    expect(pods.size).toBe(3);
  });

  test('a new version is seen within the life of a connection', async () => {
    await using first = await openStub(answers(reviewsOf('reviews-v2-abc', [RATINGS_ERROR, RATINGS_ERROR])));
    await using second = await openStub(answers(reviewsOf('reviews-v3-abc', stars('red'))));
    await using service = await openKubeService();
    service.add(first.port);
    await using alone = await start('productpage', {
      ...backendAt('details', details.port),
      ...backendAt('reviews', service.port),
    });
    // Opens the connections of every pool.
    await Promise.all(Array.from({ length: 40 }, () => alone.request('/productpage')));
    service.add(second.port);
    await expect
      .poll(() => alone.request('/productpage').then(() => second.received.length), { timeout: 25_000, interval: 200 })
      .toBeGreaterThan(0);
  });
});
