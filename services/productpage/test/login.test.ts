import { describe, expect, test } from 'vitest';
import { form } from '../../../test/support/http.ts';
import { useShop } from './shop.ts';

describe('signing in', () => {
  const { productpage } = useShop();
  const host = () => `127.0.0.1:${productpage.port}`;
  const login = (username: string, headers: Record<string, string> = {}) => {
    const { headers: type, ...rest } = form({ username, passwd: 'password' });
    return productpage.request('/login', { ...rest, headers: { ...type, ...headers } });
  };
  const logout = (headers: Record<string, string>) => productpage.request('/logout', { headers });

  test('works as scripts do it: without a Referer, with any password', async () => {
    const { status, headers } = await login('jason');
    expect(status).toBe(302);
    expect(headers.location).toBe('productpage');
    expect(headers['set-cookie']).toMatch(/^session=jason\.[^;]+; Path=\/; HttpOnly; SameSite=Lax$/);
  });

  test('works without a password field', async () => {
    expect(await productpage.request('/login', form({ username: 'jason' }))).toMatchObject({ status: 302 });
  });

  test('works by multipart form, as `curl -F` sends it', async () => {
    const body = new FormData();
    body.set('username', 'jason');
    body.set('passwd', 'password');
    const { status, headers } = await fetch(`http://${host()}/login`, { method: 'POST', body, redirect: 'manual' });
    expect(status).toBe(302);
    expect(headers.get('set-cookie')).toMatch(/^session=jason\./);
  });

  test('works by query, which comes before the form', async () => {
    const byQuery = await productpage.request('/login?username=jason', { method: 'POST' });
    expect(byQuery.headers['set-cookie']).toMatch(/^session=jason\./);
    const both = await productpage.request('/login?username=jason', form({ username: 'other' }));
    expect(both.headers['set-cookie']).toMatch(/^session=jason\./);
  });

  test.each([
    ['without a boundary', 'multipart/form-data', '--b\r\n\r\n'],
    ['with too long a one', `multipart/form-data; boundary=${'b'.repeat(300)}`, ''],
    [
      'that breaks off',
      'multipart/form-data; boundary=b',
      '--b\r\ncontent-disposition: form-data; name=username\r\n\r\nja',
    ],
    ['that is empty', 'multipart/form-data; boundary=b', ''],
  ])('refuses a multipart form %s', async (_what, type, body) => {
    const answer = await productpage.request('/login', {
      method: 'POST',
      headers: { 'content-type': type },
      body,
    });
    expect(answer).toMatchObject({ status: 400, json: { error: expect.any(String) } });
  });

  test('refuses a multipart form with a file, or with more than a form has', async () => {
    const file = new FormData();
    file.set('username', new Blob(['jason']), 'name.txt');
    const long = new FormData();
    long.set('username', 'x'.repeat(2000));
    const many = new FormData();
    for (let i = 0; i < 100; i++) many.append('username', 'jason');
    for (const body of [file, long, many]) {
      const answer = await fetch(`http://${host()}/login`, { method: 'POST', body, redirect: 'manual' });
      expect(answer.status).toBeGreaterThanOrEqual(400);
      expect(answer.status).toBeLessThan(500);
      expect(await answer.json()).toMatchObject({ error: expect.any(String) });
    }
  });

  test.each(['/productpage?u=test', '/productpage', '/', '/bookinfo/productpage?lang=ko&x=%20'])(
    'leads back to where the user was: %s',
    async (path) => {
      const referer = `http://${host()}${path}`;
      for (const answer of [await login('jason', { referer }), await logout({ referer })]) {
        expect(answer).toMatchObject({ status: 302, headers: { location: path } });
      }
    },
  );

  test.each([
    'http://evil.example/productpage',
    'https://evil.example:9080/',
    'http://127.0.0.1/productpage',
    'http://127.0.0.1.evil.example/productpage',
    'javascript:alert(1)',
    'data:text/html,x',
    '//evil.example/',
    'productpage',
    'nonsense',
    'http://',
    'about:blank',
    () => `foo://${host()}/\\evil.example`,
    () => `ftp://${host()}/productpage`,
    () => `http://${host()}/logout`,
    () => `http://${host()}/login?x=1`,
    () => `http://${host()}/bookinfo/login`,
  ])('leads to the page from elsewhere, or from where nobody wants to be again: Referer %s', async (from) => {
    const referer = typeof from === 'string' ? from : from();
    for (const answer of [await login('jason', { referer }), await logout({ referer })]) {
      expect(answer).toMatchObject({ status: 302, headers: { location: 'productpage' } });
    }
  });

  test.each([
    '//evil.example/x',
    '///evil.example',
    '/\\evil.example',
    '\\\\evil.example',
    '/%09/evil.example',
    '/\t/evil.example',
  ])('never leads to another site by a path that looks like one: %j', async (path) => {
    const referer = `http://${host()}${path}`;
    for (const { status, headers } of [await login('jason', { referer }), await logout({ referer })]) {
      expect(status).toBe(302);
      const target = new URL(String(headers.location), `http://${host()}/login`);
      expect(target.host).toBe(host());
    }
  });

  test.each([
    ['no name', ''],
    ['a blank', '   '],
    ['a name that cannot be seen', '\u200b\u3164'],
    ['a change of the direction of text', 'jason\u202e'],
    ['a line separator', 'ja\u2028son'],
    ['a name of 65 characters', 'x'.repeat(65)],
    ['a line break', 'jason\r\nx-admin: true'],
    ['a null character', 'jason\0'],
    ['a tab', 'ja\tson'],
  ])('refuses %s', async (_what, username) => {
    const { status, json, headers } = await login(username);
    expect(status).toBe(400);
    expect(json).toEqual({ error: 'username must be 1 to 64 characters, none of them a control character' });
    expect(headers['set-cookie']).toBeUndefined();
  });

  test('refuses a form without a name, or with two', async () => {
    expect(await productpage.request('/login', form({ passwd: 'x' }))).toMatchObject({ status: 400 });
    const type = { 'content-type': 'application/x-www-form-urlencoded' };
    for (const body of ['username=a&username=b', 'username[]=a', '', '=', '&&&', '%E0%A4%A']) {
      const answer = await productpage.request('/login', { method: 'POST', headers: type, body });
      expect(answer).toMatchObject({ status: 400, json: { error: expect.any(String) } });
    }
  });

  test.each([
    ['application/json', '{"username":', 400],
    ['application/json', '[]', 400],
    ['text/plain', 'username=jason', 400],
    ['application/xml', '<username/>', 415],
  ])('answers a %s body %s with %i', async (type, body, status) => {
    const answer = await productpage.request('/login', { method: 'POST', headers: { 'content-type': type }, body });
    expect(answer).toMatchObject({ status, json: { error: expect.any(String) } });
  });

  test('refuses a body over 64 KiB', async () => {
    expect(await login('x'.repeat(65 * 1024))).toMatchObject({ status: 413, json: { error: expect.any(String) } });
  });

  test.each(['GET', 'PUT', 'DELETE'] as const)('is not done with %s', async (method) => {
    expect(await productpage.request('/login', { method })).toMatchObject({
      status: 405,
      headers: { allow: 'POST, OPTIONS' },
    });
  });

  test('is undone by signing out: the cookie goes', async () => {
    const { status, headers } = await logout({ cookie: 'session=jason.x' });
    expect(status).toBe(302);
    expect(headers['set-cookie']).toMatch(/^session=; .*Expires=Thu, 01 Jan 1970 00:00:00 GMT/);
  });
});
