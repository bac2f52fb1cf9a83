import { describe, expect, test } from 'vitest';
import { backendAt } from '../../../local/bookinfo.ts';
import { RATINGS } from '../../../test/support/bodies.ts';
import { INHERITED_HEADERS } from '../../../test/support/inherited-headers.ts';
import { useService } from '../../../test/support/service.ts';
import { answers, useStub } from '../../../test/support/stub.ts';

describe('what reviews tells ratings about a request', () => {
  const ratings = useStub(answers(RATINGS));
  const reviews = useService('reviews', () => ({ ENABLE_RATINGS: 'true', ...backendAt('ratings', ratings.port) }));

  test('is every header of identity and tracing as it came, and no other', async () => {
    await reviews.request('/reviews/0', {
      headers: { ...INHERITED_HEADERS, accept: 'text/html', 'x-forwarded-for': '1.2.3.4' },
    });
    const { host, connection, ...passed } = ratings.received.at(-1)?.headers ?? {};
    expect(passed).toEqual(INHERITED_HEADERS);
    expect(host).toBe(`127.0.0.1:${ratings.port}`);
  });

  test('has each header once', async () => {
    await reviews.request('/reviews/0', { headers: INHERITED_HEADERS });
    const names = ratings.received.at(-1)?.rawHeaders.filter((_, i) => i % 2 === 0) ?? [];
    expect(new Set(names).size).toBe(names.length);
  });

  test('has a request id even if the request had none', async () => {
    const { headers } = await reviews.request('/reviews/0');
    expect(headers['x-request-id']).toMatch(/^[0-9a-f-]{36}$/);
    expect(ratings.received.at(-1)?.headers['x-request-id']).toBe(headers['x-request-id']);
  });

  test('has no header that came empty', async () => {
    await reviews.request('/reviews/0', { headers: { 'x-b3-traceid': 'e457b5a2e4d86bd1', 'x-b3-parentspanid': '' } });
    expect(ratings.received.at(-1)?.headers).not.toHaveProperty('x-b3-parentspanid');
  });

  test('survives a header in another alphabet', async () => {
    const userAgent = Buffer.from('브라우저', 'utf8').toString('latin1');
    const { status } = await reviews.request('/reviews/0', { headers: { 'user-agent': userAgent } });
    expect(status).toBe(200);
    expect(ratings.received.at(-1)?.headers['user-agent']).toBe(userAgent);
  });
});
