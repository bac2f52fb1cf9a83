import { describe, expect, test } from 'vitest';
import { INHERITED_HEADERS } from '../../../test/support/inherited-headers.ts';
import { type BackendName, useShop } from './shop.ts';

describe('what productpage tells its backends about a request', () => {
  const shop = useShop();
  const { 'end-user': _user, ...anonymous } = INHERITED_HEADERS;

  test.each<[BackendName, string]>([
    ['details', '/productpage'],
    ['reviews', '/productpage'],
    ['details', '/api/v1/products/0'],
    ['reviews', '/api/v1/products/0/reviews'],
    ['ratings', '/api/v1/products/0/ratings'],
  ])('is every header of identity and tracing as it came, and no other: %s for %s', async (name, path) => {
    await shop.productpage.request(path, {
      headers: { ...anonymous, accept: 'text/html', referer: 'http://a/', 'x-forwarded-for': '1.2.3.4' },
    });
    const { host, connection, ...passed } = shop[name].received.at(-1)?.headers ?? {};
    expect(passed).toEqual(anonymous);
  });

  test('has each header once', async () => {
    await shop.page(anonymous);
    const names = shop.reviews.received.at(-1)?.rawHeaders.filter((_, i) => i % 2 === 0) ?? [];
    expect(new Set(names).size).toBe(names.length);
  });

  test('has no header that came empty', async () => {
    await shop.page({ 'x-b3-parentspanid': '', b3: '' });
    const { headers } = shop.reviews.received.at(-1) ?? {};
    expect(headers).not.toHaveProperty('x-b3-parentspanid');
    expect(headers).not.toHaveProperty('b3');
  });

  test('has the same headers in the second try', async () => {
    shop.reviews.behave((response) => response.writeHead(503).end());
    shop.reviews.received.length = 0;
    await shop.page(anonymous);
    const [first, second] = shop.reviews.received.map(({ headers }) => headers);
    expect(second).toEqual(first);
    expect(second).toMatchObject(anonymous);
  });
});
