import { describe, expect, test } from 'vitest';
import { backendAt } from '../../../local/bookinfo.ts';
import { freePort } from '../../../local/free-port.ts';
import { RATINGS, RATINGS_ERROR } from '../../../test/support/bodies.ts';
import { failuresOf, stallsOf } from '../../../test/support/failures.ts';
import { start, useService } from '../../../test/support/service.ts';
import { answers, answersAfter, type Behaviour, hangs, openStub, useStub } from '../../../test/support/stub.ts';

const V2 = { ENABLE_RATINGS: 'true', STAR_COLOR: 'black' };
const V3 = { ENABLE_RATINGS: 'true', STAR_COLOR: 'red' };

const WITHOUT_STARS = {
  status: 200,
  json: {
    id: '0',
    reviews: [
      { reviewer: 'Reviewer1', rating: RATINGS_ERROR },
      { reviewer: 'Reviewer2', rating: RATINGS_ERROR },
    ],
  },
};

describe('reviews still answers, and says that ratings is unavailable', () => {
  const ratings = useStub(hangs);
  const reviews = useService('reviews', () => ({ ...V2, ...backendAt('ratings', ratings.port) }));

  test.each(failuresOf(RATINGS))('when ratings $name, after one try', async ({ behaviour }) => {
    ratings.received.length = 0;
    ratings.behave(behaviour);
    expect(await reviews.request('/reviews/0')).toMatchObject(WITHOUT_STARS);
    expect(ratings.received).toHaveLength(1);
  });

  test('when ratings refuses the connection', async () => {
    await using alone = await start('reviews', { ...V3, ...backendAt('ratings', await freePort()) });
    expect(await alone.request('/reviews/0')).toMatchObject(WITHOUT_STARS);
  });

  test('and has stars again as soon as ratings has', async () => {
    ratings.behave(answers({}, 503));
    expect(await reviews.request('/reviews/0')).toMatchObject(WITHOUT_STARS);
    ratings.behave(answers(RATINGS));
    expect(await reviews.request('/reviews/0')).toMatchObject({ json: { reviews: [{ rating: { stars: 5 } }, {}] } });
  });
});

/** Asks a version of reviews while ratings takes its time. */
async function reviewsWith(version: Record<string, string>, behaviour: Behaviour) {
  await using ratings = await openStub(behaviour);
  await using reviews = await start('reviews', { ...version, ...backendAt('ratings', ratings.port) });
  const answer = await reviews.request('/reviews/0');
  return { answer, tries: await Promise.all(ratings.received.map(({ end }) => end)) };
}

describe.concurrent('the patience with ratings', () => {
  test('of v3 (red) is long enough for 1 s', async () => {
    const { answer } = await reviewsWith(V3, answersAfter(1000, RATINGS));
    expect(answer.json).toMatchObject({ reviews: [{ rating: { stars: 5, color: 'red' } }, {}] });
  });

  test('of v3 (red) is at an end before 4 s', async () => {
    const { answer, tries } = await reviewsWith(V3, answersAfter(4000, RATINGS));
    expect(answer).toMatchObject(WITHOUT_STARS);
    expect(tries).toEqual(['aborted']);
  });

  test('of v2 (black) is long enough for the 7 s of the fault-injection lesson', async () => {
    const { answer } = await reviewsWith(V2, answersAfter(7000, RATINGS));
    expect(answer.json).toMatchObject({ reviews: [{ rating: { stars: 5, color: 'black' } }, {}] });
  });

  test('of v2 (black) is at an end before 13 s', async () => {
    const { answer, tries } = await reviewsWith(V2, answersAfter(13_000, RATINGS));
    expect(answer).toMatchObject(WITHOUT_STARS);
    expect(tries).toEqual(['aborted']);
  });

  test.each(stallsOf(RATINGS))('ends too when ratings $name', async ({ behaviour }) => {
    const { answer, tries } = await reviewsWith(V3, behaviour);
    expect(answer).toMatchObject(WITHOUT_STARS);
    expect(tries).toEqual(['aborted']);
  });
});
