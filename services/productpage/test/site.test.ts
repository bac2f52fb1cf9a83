import { describe, expect, test } from 'vitest';
import { useShop } from './shop.ts';

describe('the site', () => {
  const shop = useShop();
  const get = (path: string, headers = {}) => shop.productpage.request(path, { headers });
  const links = (page: string) =>
    [...page.matchAll(/\b(?:href|src|action)="([^"]*)"/g)].map(([, link]) => String(link));

  test.each(['/', '/index.html'])('starts at %s with links for a normal and a test user', async (path) => {
    const { status, headers, text } = await get(path);
    expect(status).toBe(200);
    expect(headers['content-type']).toBe('text/html; charset=utf-8');
    expect(text).toContain('<title>Simple Bookstore App</title>');
    expect(links(text)).toEqual(expect.arrayContaining(['productpage?u=normal', 'productpage?u=test']));
    for (const service of ['productpage', 'details', 'reviews', 'ratings'])
      expect(text).toContain(`<dt>${service}</dt>`);
  });

  test.each(['/', '/productpage'])('has relative links alone in %s, so that it works below a prefix', async (path) => {
    const { text } = await get(path);
    expect(links(text).length).toBeGreaterThan(3);
    for (const link of links(text)) expect(link).not.toMatch(/^\/|^[a-z]+:/i);
  });

  test.each(['/', '/productpage'])('names no other host in %s, and has no script', async (path) => {
    const { text } = await get(path);
    expect(text).not.toMatch(/https?:|\/\/[a-z]/i);
    expect(text).not.toMatch(/<script|<iframe|\son\w+=/i);
  });

  test('has one script, for the live view alone, and no words in it', async () => {
    const live = await get('/productpage?view=live');
    expect(live.text.match(/<script[^>]*>/g)).toEqual(['<script type="module" src="static/live.js">']);
    expect(live.text).not.toMatch(/https?:|\/\/[a-z]|<iframe|\son\w+=|\sstyle=/i);
    const policyOf = async (path: string) => String((await get(path)).headers['content-security-policy']);
    expect(await policyOf('/productpage?view=live')).toContain("; script-src 'self'; connect-src 'self'");
    for (const path of ['/', '/productpage', '/productpage?view=dead'])
      expect(await policyOf(path)).not.toMatch(/script-src|connect-src/);
  });

  test('has its files looked at again by browsers each time', async () => {
    const { headers } = await get('/static/style.css');
    expect(headers['cache-control']).toBe('public, max-age=0');
    expect(await get('/static/style.css', { 'if-none-match': String(headers.etag) })).toMatchObject({ status: 304 });
  });

  test('keeps the live view when the language changes', async () => {
    expect(await shop.page({}, '?view=live')).toContain('href="?view=live&amp;lang=ko"');
  });

  test('serves every file that its pages name', async () => {
    const pages = [await shop.page(), await shop.page({}, '?view=live'), (await get('/')).text];
    const files = new Set(pages.flatMap(links).filter((l) => l.includes('static/')));
    expect(files.size).toBeGreaterThan(0);
    for (const file of files) expect(await get(`/${file}`)).toMatchObject({ status: 200 });
  });

  test('serves a stylesheet that needs nothing from outside', async () => {
    const { headers, text } = await get('/static/style.css');
    expect(headers['content-type']).toMatch('text/css');
    expect(text).not.toMatch(/@import|https?:/);
  });

  test.each([
    '/static/',
    '/static',
    '/static/nothing.css',
    '/static/../src/server.ts',
    '/static/..%2fsrc%2fserver.ts',
    '/static/%2e%2e/package.json',
    '/static/..%5cpackage.json',
    '/static/style.css/',
    '/static/%00',
  ])('has no file %s', async (path) => {
    const { status, text, json } = await get(path);
    expect(status).toBeGreaterThanOrEqual(400);
    expect(status).toBeLessThan(500);
    expect(json).toMatchObject({ error: expect.any(String) });
    expect(text).not.toContain('"type"');
  });

  test('lets a page load nothing from elsewhere and be framed by nobody', async () => {
    const policy = String((await get('/productpage')).headers['content-security-policy']);
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain("frame-ancestors 'none'");
  });

  test.each(['/', '/productpage', '/static/style.css', '/api/v1/products'])('answers HEAD %s as GET', async (path) => {
    const { status, text } = await shop.productpage.request(path, { method: 'HEAD' });
    expect([status, text]).toEqual([200, '']);
  });

  test.each(['POST', 'PUT', 'DELETE'] as const)('does not take %s /productpage', async (method) => {
    expect(await shop.productpage.request('/productpage', { method })).toMatchObject({ status: 405 });
  });

  test('answers a page with a query as without one', async () => {
    for (const query of [
      '?u=normal',
      '?u=test',
      '?lang=',
      '?lang=xx',
      '?lang=ko&lang=en',
      '?%E0%A4%A',
      '?__proto__=1',
    ]) {
      expect(await get(`/productpage${query}`)).toMatchObject({ status: 200 });
    }
  });
});
