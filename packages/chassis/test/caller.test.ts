import { describe, expect, test } from 'vitest';
import { INHERITED_HEADERS } from '../../../test/support/inherited-headers.ts';
import { callerOf, forwardedHeaders } from '../src/caller.ts';
import { openFixture } from './fixture/server.ts';

const { 'x-request-id': _, ...INHERITED } = INHERITED_HEADERS;
const PROPAGATED = /^(traceparent|tracestate|baggage|b3|x-b3-.*)$/;

describe.each([true, false])('an outgoing request, with tracing %s,', (tracing) => {
  test('inherits the headers of identity and of foreign tracers as they came', () => {
    const expected = Object.entries(INHERITED).filter(([name]) => !tracing || !PROPAGATED.test(name));
    expect(forwardedHeaders(INHERITED, tracing)).toEqual(Object.fromEntries(expected));
  });

  test('inherits no other header', () => {
    const others = { host: 'a', connection: 'close', 'x-forwarded-for': '1.2.3.4', 'content-length': '3' };
    expect(forwardedHeaders(others, tracing)).toEqual({});
  });

  test('inherits no empty header', () => {
    expect(forwardedHeaders({ 'x-b3-parentspanid': '', 'end-user': '' }, tracing)).toEqual({});
  });
});

test.each([
  ['the one it came with', { 'x-request-id': 'abc-1' }],
  ['the one it was given', {}],
])('the caller of a backend names its request by %s', async (_what, headers) => {
  await using app = await openFixture();
  app.get('/', async (request) => callerOf(request).headers['x-request-id']);
  const answer = await app.inject({ path: '/', headers });
  expect(answer.body).toMatch(/^[\w-]{5,36}$/);
  expect(answer.body).toBe(answer.headers['x-request-id']);
});
