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

  test('v-delayed answers about half of the requests late', async () => {
    await using ratings = await start('ratings', { SERVICE_VERSION: 'v-delayed', FAULT_SECONDS: '5' });
    let late = false;
    const answers = Array.from({ length: 100 }, async () => ({ ...(await read(ratings)), late }));
    await vi.waitFor(async () => expect(await Promise.race([Promise.all(answers), 'waiting'])).toBe('waiting'));
    // The prompt half has come when a delayed answer is the next to come.
    await Promise.all(Array.from({ length: 20 }, () => ratings.request('/health')));
    late = true;
    const all = await Promise.all(answers);
    for (const answer of all) expect(answer).toMatchObject(FINE);
    expect(all.filter((answer) => answer.late).length).toBeGreaterThan(20);
    expect(all.filter((answer) => !answer.late).length).toBeGreaterThan(20);
  });

  test('v-delayed waits 7 s by itself', async () => {
    await using ratings = await start('ratings', { SERVICE_VERSION: 'v-delayed' });
    const start7 = performance.now();
    const times = await Promise.all(
      Array.from({ length: 20 }, () => read(ratings).then(() => performance.now() - start7)),
    );
    expect(Math.max(...times)).toBeGreaterThan(6_900);
    expect(Math.min(...times)).toBeLessThan(6_000);
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
