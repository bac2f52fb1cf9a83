import { describe, expect, test } from 'vitest';
import { form } from '../support/http.ts';
import { useService } from '../support/service.ts';

describe('a request that changes something', () => {
  const productpage = useService('productpage');
  const ratings = useService('ratings');

  const signIn = (headers: Record<string, string>) => {
    const { headers: type, ...login } = form({ username: 'jason' });
    return productpage.request('/login', { ...login, headers: { ...type, ...headers } });
  };
  const rate = (headers: Record<string, string>) =>
    ratings.request('/ratings/7', { method: 'POST', headers, body: '{"Reviewer1":1}' });

  test.each([
    ['a foreign Origin', { origin: 'http://evil.example' }],
    ['an Origin of another port', { origin: 'http://127.0.0.1:1' }],
    ['the opaque Origin of a sandboxed frame', { origin: 'null' }],
    ['an Origin that is none', { origin: 'nonsense' }],
    ['Sec-Fetch-Site: cross-site', { 'sec-fetch-site': 'cross-site' }],
    ['Sec-Fetch-Site: same-site, from another port or subdomain', { 'sec-fetch-site': 'same-site' }],
    ['both', { origin: 'http://evil.example', 'sec-fetch-site': 'cross-site' }],
  ])('is refused with 403 when it has %s', async (_what, headers) => {
    const signedIn = await signIn(headers);
    expect(signedIn).toMatchObject({
      status: 403,
      json: { error: 'This request comes from another site', requestId: signedIn.headers['x-request-id'] },
    });
    expect(signedIn.headers['set-cookie']).toBeUndefined();
    expect(await rate({ 'content-type': 'text/plain', ...headers })).toMatchObject({ status: 403 });
    expect(await ratings.request('/ratings/7')).toMatchObject({ json: { ratings: { Reviewer1: 5 } } });
  });

  test.each([
    ['neither, as a script sends it', () => ({})],
    ['the Origin of the site itself', () => ({ origin: `http://127.0.0.1:${productpage.port}` })],
    [
      'Sec-Fetch-Site: same-origin behind a proxy that changes the host',
      () => ({
        origin: 'https://shop.example',
        'sec-fetch-site': 'same-origin',
      }),
    ],
    ['Sec-Fetch-Site: none, typed by a user', () => ({ 'sec-fetch-site': 'none' })],
  ])('is taken with %s', async (_what, headers) => {
    expect(await signIn(headers() as Record<string, string>)).toMatchObject({ status: 302 });
  });

  test('is taken by ratings from a script', async () => {
    expect(await rate({ 'content-type': 'application/json' })).toMatchObject({ status: 200 });
  });

  test('is not one that only reads: links from other sites work', async () => {
    const headers = { 'sec-fetch-site': 'cross-site', origin: 'http://evil.example' };
    expect(await productpage.request('/index.html', { headers })).toMatchObject({ status: 200 });
  });
});
