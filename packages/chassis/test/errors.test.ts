import { describe, expect, test } from 'vitest';
import { HttpError } from '../src/index.ts';
import { openFixture } from './fixture/server.ts';

describe('a handler that fails', () => {
  const answer = async (error: unknown) => {
    await using app = await openFixture();
    app.get('/', async () => {
      throw error;
    });
    const { statusCode, body } = await app.inject({ path: '/', headers: { 'x-request-id': 'failed-1' } });
    return [statusCode, body];
  };

  test('by surprise says nothing of the cause, but names the request', async () => {
    const internal = [500, '{"error":"Internal server error","requestId":"failed-1"}'];
    expect(await answer(new Error('password of the database'))).toEqual(internal);
    expect(await answer(new TypeError('x is not a function'))).toEqual(internal);
  });

  test('on purpose says so in exactly one field', async () => {
    expect(await answer(new HttpError(501, 'Post not implemented'))).toEqual([501, '{"error":"Post not implemented"}']);
  });
});
