import { describe, expect, test } from 'vitest';
import { backendAt } from '../../../local/bookinfo.ts';
import { RATINGS } from '../../../test/support/bodies.ts';
import { useService } from '../../../test/support/service.ts';
import { answers, useStub } from '../../../test/support/stub.ts';

describe('reviews', () => {
  const ratings = useStub(answers(RATINGS));
  const v1 = useService('reviews', () => ({
    ...backendAt('ratings', ratings.port),
    ENABLE_RATINGS: 'false',
    HOSTNAME: 'reviews-v1-abc',
  }));
  const v2 = useService('reviews', () => ({
    ...backendAt('ratings', ratings.port),
    ENABLE_RATINGS: 'true',
    STAR_COLOR: 'black',
    HOSTNAME: 'reviews-v2-abc',
  }));
  const v3 = useService('reviews', () => ({
    ...backendAt('ratings', ratings.port),
    ENABLE_RATINGS: 'true',
    STAR_COLOR: 'red',
    HOSTNAME: 'reviews-v3-abc',
    CLUSTER_NAME: 'cluster-1',
  }));

  const text = expect.stringMatching(/^.{20,}$/);

  test('v1 has no ratings and never asks for any', async () => {
    const before = ratings.received.length;
    const { status, headers, json } = await v1.request('/reviews/0');
    expect(status).toBe(200);
    expect(headers['content-type']).toMatch('application/json');
    expect(json).toEqual({
      id: '0',
      podname: 'reviews-v1-abc',
      clustername: 'null',
      reviews: [
        { reviewer: 'Reviewer1', text },
        { reviewer: 'Reviewer2', text },
      ],
    });
    expect(ratings.received.length).toBe(before);
  });

  test('v2 has black stars', async () => {
    expect((await v2.request('/reviews/0')).json).toEqual({
      id: '0',
      podname: 'reviews-v2-abc',
      clustername: 'null',
      reviews: [
        { reviewer: 'Reviewer1', text, rating: { stars: 5, color: 'black' } },
        { reviewer: 'Reviewer2', text, rating: { stars: 4, color: 'black' } },
      ],
    });
  });

  test('v3 has red stars, and names its cluster', async () => {
    expect((await v3.request('/reviews/0')).json).toMatchObject({
      podname: 'reviews-v3-abc',
      clustername: 'cluster-1',
      reviews: [{ rating: { stars: 5, color: 'red' } }, { rating: { stars: 4, color: 'red' } }],
    });
  });

  test('the fields come in the order that tutorials show', async () => {
    expect((await v2.request('/reviews/0')).text).toMatch(
      /^\{"id":"0","podname":"reviews-v2-abc","clustername":"null","reviews":\[\{"reviewer":"Reviewer1","text":"[^"]+","rating":\{"stars":5,"color":"black"\}\},\{"reviewer":"Reviewer2"/,
    );
  });

  test('the id is a string, and the same for ratings', async () => {
    expect((await v2.request('/reviews/42')).json).toMatchObject({ id: '42' });
    expect(ratings.received.at(-1)).toMatchObject({ method: 'GET', path: '/ratings/42' });
  });

  test('a reviewer who has not rated has no rating', async () => {
    ratings.behave(answers({ id: 0, ratings: { Reviewer2: 3, Somebody: 1 } }));
    const { json } = await v2.request('/reviews/0');
    expect(json).toMatchObject({ reviews: [{ reviewer: 'Reviewer1' }, { rating: { stars: 3, color: 'black' } }] });
    expect(JSON.stringify(json)).not.toContain('Somebody');
    expect(JSON.stringify(json).match(/"rating"/g)).toHaveLength(1);
  });

  test.each(['abc', '1x', '-1', '1.5', '', '0/1', '0/', '%2e%2e', '9'.repeat(400)])(
    'an id that is no number is an unknown route: %s',
    async (id) => {
      for (const version of [v1, v2]) {
        expect(await version.request(`/reviews/${id}`)).toMatchObject({ status: 404, json: { error: 'Not found' } });
      }
    },
  );
});
