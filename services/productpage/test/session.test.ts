import { sign } from '@fastify/cookie';
import { describe, expect, test } from 'vitest';
import { backendAt } from '../../../local/bookinfo.ts';
import { cookieOf, form } from '../../../test/support/http.ts';
import { start } from '../../../test/support/service.ts';
import { useShop, wordsOf } from './shop.ts';

describe('a session', () => {
  const shop = useShop();
  const signIn = async (username: string) =>
    cookieOf(await shop.productpage.request('/login', form({ username, passwd: 'x' })));
  const endUser = () => shop.details.received.at(-1)?.headers['end-user'];

  test('begins without a user: the page offers to sign in', async () => {
    const page = await shop.page();
    expect(page).toContain('Sign in');
    expect(page).not.toContain('Sign out');
    expect(endUser()).toBeUndefined();
  });

  test('has the name of its user in the page and in the end-user header of both backends', async () => {
    const page = await shop.page({ cookie: await signIn('jason') });
    expect(page).toContain('jason');
    expect(page).toContain('Sign out');
    expect(page).not.toContain('Sign in');
    expect(endUser()).toBe('jason');
    expect(shop.reviews.received.at(-1)?.headers['end-user']).toBe('jason');
  });

  test('counts for the API too', async () => {
    await shop.productpage.request('/api/v1/products/0/ratings', { headers: { cookie: await signIn('jason') } });
    expect(shop.ratings.received.at(-1)?.headers['end-user']).toBe('jason');
  });

  test('shows markup in a name as text', async () => {
    const page = await shop.page({ cookie: await signIn('<script>alert(1)</script>') });
    expect(page).not.toContain('<script');
    expect(wordsOf(page)).toContain('Signed in as <script>alert(1)</script>');
  });

  test('has room for a Korean name, URI-encoded in the header', async () => {
    expect(await shop.page({ cookie: await signIn('홍길동') })).toContain('홍길동');
    expect(endUser()).toBe(encodeURIComponent('홍길동'));
  });

  test.each(['a.b.c', 'a;b', 'a=b', 'a"b', 'a,b c', '%41', 'ü', '😀'])('has room for the name %s', async (name) => {
    const page = await shop.page({ cookie: await signIn(name) });
    expect(wordsOf(page)).toContain(name);
  });

  test.each([
    ['%ED%95%9C', '한'],
    ['%41', 'A'],
  ])('is another one for %s than for %s', async (one, other) => {
    await shop.page({ cookie: await signIn(one) });
    const endUserOfOne = endUser();
    await shop.page({ cookie: await signIn(other) });
    expect(endUserOfOne).toBe(encodeURIComponent(one));
    expect(endUser()).not.toBe(endUserOfOne);
  });

  test.each([
    ['  jason  ', 'jason'],
    ['\u1112\u1161\u11ab', '한'],
  ])('is the same one for %j as for %s', async (one, other) => {
    expect(wordsOf(await shop.page({ cookie: await signIn(one) }))).toContain(`Signed in as ${other}`);
    const endUserOfOne = endUser();
    await shop.page({ cookie: await signIn(other) });
    expect(endUser()).toBe(endUserOfOne);
  });

  test('ends half a day after it began, whatever the browser keeps', async () => {
    const signed = (value: string) => `session=${encodeURIComponent(sign(value, 'secret of this test'))}`;
    const at = (hours: number) => (Date.now() + hours * 3_600_000).toString(36);
    expect(await shop.page({ cookie: signed(`jason.${at(1)}`) })).toContain('Sign out');
    expect(await shop.page({ cookie: signed(`jason.${at(-0.01)}`) })).toContain('Sign in');
    expect(await shop.page({ cookie: signed('jason') })).toContain('Sign in');
    const end = /^session=jason\.([0-9a-z]+)/.exec(await signIn('jason'))?.[1] ?? '';
    expect(Number.parseInt(end, 36)).toBeGreaterThan(Date.now() + 11 * 3_600_000);
    expect(Number.parseInt(end, 36)).toBeLessThan(Date.now() + 13 * 3_600_000);
  });

  test.each([
    ['without a signature', () => 'session=jason'],
    ['with an empty signature', () => 'session=jason.'],
    ['with a signature of nonsense', () => 'session=jason.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'],
    ['that is empty', () => 'session='],
    ['that is one dot', () => 'session=.'],
    ['that is not decodable', () => 'session=%E0%A4%A'],
    ['of 8000 characters', () => `session=${'x'.repeat(8000)}`],
    ['that is truncated', async () => (await signIn('jason')).slice(0, -1)],
    ['that is longer by one character', async () => `${await signIn('jason')}x`],
    ['with the signature of another name', async () => (await signIn('jason')).replace('jason', 'admin')],
    ['that hides a line break', async () => (await signIn('jason')).replace('jason', 'jason%0d%0ax-admin:true')],
  ])('is not begun by a cookie %s', async (_what, cookie) => {
    const { status, text } = await shop.productpage.request('/productpage', { headers: { cookie: await cookie() } });
    expect(status).toBe(200);
    expect(text).toContain('Sign in');
    expect(endUser()).toBeUndefined();
  });

  test('is not begun by a client that sends end-user itself', async () => {
    const page = await shop.page({ 'end-user': 'jason' });
    expect(page).toContain('Sign in');
    expect(endUser()).toBeUndefined();
    await shop.page({ 'end-user': 'admin', cookie: await signIn('jason') });
    expect(endUser()).toBe('jason');
  });
});

describe('the cookie of a session', () => {
  const loginVia = async (protocol: string, env = {}) => {
    await using productpage = await start('productpage', env);
    const { body, headers, method } = form({ username: 'jason' });
    const answer = await productpage.request('/login', {
      ...(method && { method }),
      ...(body && { body }),
      headers: { ...headers, 'x-forwarded-proto': protocol },
    });
    return String(answer.headers['set-cookie']);
  };

  test('is Secure where a proxy that is trusted says that the browser speaks TLS', async () => {
    expect(await loginVia('https')).toMatch(/; Secure/);
    expect(await loginVia('http')).not.toMatch(/; Secure/);
  });

  test('is not Secure because of what anybody else says', async () => {
    expect(await loginVia('https', { TRUSTED_PROXIES: '192.0.2.0/24' })).not.toMatch(/; Secure/);
  });
});

test('without SESSION_SECRET productpage warns, and nobody knows a session of another process', async () => {
  await using one = await start('productpage', backendAt('details', 1));
  await using two = await start('productpage', backendAt('details', 1));
  expect(one.lines.some((line) => line.includes('"level":"warn"') && line.includes('SESSION_SECRET'))).toBe(true);
  const cookie = cookieOf(await one.request('/login', form({ username: 'jason' })));
  expect((await one.request('/index.html', { headers: { cookie } })).text).toContain('Sign out');
  expect((await two.request('/index.html', { headers: { cookie } })).text).toContain('Sign in');
});
