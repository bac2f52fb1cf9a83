import { describe, expect, test } from 'vitest';
import { backendAt } from '../../../local/bookinfo.ts';
import { RATINGS } from '../../../test/support/bodies.ts';
import { useService } from '../../../test/support/service.ts';
import { answers, refusesAsProxy, useStub } from '../../../test/support/stub.ts';

describe('reviews says in a Server-Timing header', () => {
  const ratings = useStub(answers(RATINGS, 200, { 'x-service-version': 'v1', 'x-pod-name': 'ratings-v1-abc' }));
  const v1 = useService('reviews', () => backendAt('ratings', ratings.port));
  const v2 = useService('reviews', () => ({ ENABLE_RATINGS: 'true', ...backendAt('ratings', ratings.port) }));
  const timingOf = async (reviews: typeof v1) => (await reviews.request('/reviews/0')).headers['server-timing'];

  test('how long it took', async () => {
    expect(await timingOf(v1)).toMatch(/^total;dur=[\d.]+$/);
  });

  test('which pod of ratings answered, and when', async () => {
    expect(await timingOf(v2)).toMatch(
      /^total;dur=[\d.]+, ratings;dur=[\d.]+;desc="v1 ratings-v1-abc 200";start=[\d.]+;version="v1";pod="ratings-v1-abc";status=200$/,
    );
  });

  test('who refused in its stead, and in which words', async () => {
    ratings.behave(refusesAsProxy(500, 'fault filter "abort" – jason'));
    expect(await timingOf(v2)).toMatch(
      /ratings;dur=[\d.]+;desc="500";start=[\d.]+;status=500;reason="status";from="proxy";text="fault filter \\"abort\\" \? jason"$/,
    );
  });
});
