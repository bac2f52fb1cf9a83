import { expect, test } from 'vitest';
import { NOBODY, onBehalfOf, originOf } from '../src/index.ts';
import { openFixture } from './fixture/server.ts';

test('what is done later for a request carries its id and its trace, and nothing of who asked', async () => {
  await using app = await openFixture();
  app.get('/', async (request) => {
    const kept: unknown = JSON.parse(JSON.stringify(originOf(request)));
    return onBehalfOf(kept as ReturnType<typeof originOf>, app.log, async ({ headers }) => headers);
  });
  const trace = { 'x-request-id': 'abc-1', traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01` };
  const answer = await app.inject({ path: '/', headers: { ...trace, cookie: 'session=1', authorization: 'Bearer x' } });
  expect(answer.json()).toEqual(trace);
});

test('a request that nobody traces is known by its id alone', async () => {
  await using app = await openFixture();
  app.get('/', async (request) => originOf(request));
  const answer = await app.inject({ path: '/', headers: { 'x-request-id': 'abc-1' } });
  expect(answer.json()).toEqual({ requestId: 'abc-1' });
});

test('what nobody asked for is in no trace that anybody records', async () => {
  await using app = await openFixture();
  const { traceparent } = await onBehalfOf(NOBODY, app.log, async ({ headers }) => headers);
  expect(traceparent).toMatch(/^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-00$/);
});
