import { describe, expect, test, vi } from 'vitest';
import { RATINGS } from '../../../test/support/bodies.ts';
import { start, type TestedService } from '../../../test/support/service.ts';

const HEALTHY = { status: 200, text: '{"status":"Ratings is healthy"}' };
const UNHEALTHY = { status: 500, text: '{"status":"Ratings is not healthy"}' };
const DOWN = { status: 503, json: { error: 'Service unavailable' } };
const FINE = { status: 200, json: RATINGS };

const read = (ratings: TestedService) => ratings.request('/ratings/0');
/** What happens next on one path, whenever it does. */
const soon = (ratings: TestedService, path: string, answer: object) =>
  vi.waitFor(async () => expect(await ratings.request(path)).toMatchObject(answer), { timeout: 20_000, interval: 100 });

describe.concurrent('the version of ratings', () => {
  test('v-faulty answers about half of the requests with 503', async () => {
    await using ratings = await start('ratings', { SERVICE_VERSION: 'v-faulty' });
    const answers = await Promise.all(Array.from({ length: 200 }, () => read(ratings)));
    for (const answer of answers) expect(answer).toMatchObject(answer.status === 200 ? FINE : DOWN);
    const failed = answers.filter(({ status }) => status === 503).length;
    // 200 fair coins: outside of this range once in ten million runs.
    expect(failed).toBeGreaterThan(62);
    expect(failed).toBeLessThan(138);
    expect(await ratings.request('/health')).toMatchObject(HEALTHY);
  });

  test('v-faulty fails posts too', async () => {
    await using ratings = await start('ratings', { SERVICE_VERSION: 'v-faulty' });
    const post = () => ratings.request('/ratings/0', { method: 'POST', body: '{"Reviewer1":1}' });
    const statuses = (await Promise.all(Array.from({ length: 60 }, post))).map(({ status }) => status);
    expect(new Set(statuses)).toEqual(new Set([200, 503]));
  });

  test.each([
    ['the 7 s of the lesson', {}, 7],
    ['FAULT_SECONDS', { FAULT_SECONDS: '5' }, 5],
  ])('v-delayed answers about half of the requests after %s', async (_what, env, seconds) => {
    await using ratings = await start('ratings', { SERVICE_VERSION: 'v-delayed', ...env });
    const begin = performance.now();
    const answers = await Promise.all(
      Array.from({ length: 100 }, async () => ({ ...(await read(ratings)), ms: performance.now() - begin })),
    );
    for (const answer of answers) expect(answer).toMatchObject(FINE);
    // Timers may fire a moment early, never much.
    const late = answers.filter(({ ms }) => ms > seconds * 1000 - 50).length;
    expect(late).toBeGreaterThan(23);
    expect(late).toBeLessThan(77);
  });

  test('v-unavailable is fine, then not, then fine again, and healthy all the time', async () => {
    await using ratings = await start('ratings', { SERVICE_VERSION: 'v-unavailable', FAULT_SECONDS: '1' });
    for (const phase of [FINE, DOWN, FINE, DOWN]) {
      await soon(ratings, '/ratings/0', phase);
      expect(await ratings.request('/health')).toMatchObject(HEALTHY);
    }
  });

  test('v-unavailable starts with its good minute', async () => {
    await using ratings = await start('ratings', { SERVICE_VERSION: 'v-unavailable' });
    for (let i = 0; i < 20; i++) expect(await read(ratings)).toMatchObject(FINE);
  });

  test('v-unhealthy is down and says so on /health, so that a probe restarts it', async () => {
    await using ratings = await start('ratings', { SERVICE_VERSION: 'v-unhealthy', FAULT_SECONDS: '1' });
    for (const [phase, health] of [
      [FINE, HEALTHY],
      [DOWN, UNHEALTHY],
      [FINE, HEALTHY],
    ] as const) {
      await soon(ratings, '/health', health);
      await soon(ratings, '/ratings/0', phase);
    }
    expect(await ratings.request('/health/live')).toMatchObject({ status: 200 });
    expect(await ratings.request('/health/ready')).toMatchObject({ status: 200 });
  });

  test('v1 has no fault', async () => {
    await using ratings = await start('ratings', { FAULT_SECONDS: '1' });
    const answers = await Promise.all(Array.from({ length: 50 }, () => read(ratings)));
    for (const answer of answers) expect(answer).toMatchObject(FINE);
  });
});
