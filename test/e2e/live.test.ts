/// <reference lib="dom" />
import { request } from 'node:http';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { startBookinfo } from '../../local/bookinfo.ts';
import { workloads } from '../../local/workloads.ts';
import { type Behaviour, hangs, openStub, refusesAsProxy, type Stub } from '../support/stub.ts';
import { browserPath, launchBrowser, openPage, violations } from './browser.ts';

const REPORT = '/api/v1/products/0/page';

describe.skipIf(!browserPath && !process.env.CI)('the live view (skipped where there is no Chromium)', () => {
  const running = new AsyncDisposableStack();
  let browser: Browser;
  /** In the place of an ingress gateway: passes on what it does not answer itself. */
  let gateway: Stub;
  let pass: Behaviour;
  /** What the gateway does with the requests of the script. */
  let report: Behaviour;

  beforeAll(async () => {
    const names = ['productpage-v1', 'productpage-v2', 'details-v1', 'reviews-v2', 'ratings-v1'] as const;
    const { ports } = running.use(await startBookinfo({ workloads: workloads(...names) }));
    pass = passesTo(ports.productpage);
    gateway = running.use(
      await openStub((response, incoming) => (incoming.url === REPORT ? report : pass)(response, incoming)),
    );
    browser = await launchBrowser();
  });
  beforeEach(() => {
    report = pass;
    gateway.received.length = 0;
  });
  afterAll(async () => {
    await browser?.close();
    await running.disposeAsync();
  });

  const open = (options?: BrowserContextOptions) =>
    openPage(browser, `http://127.0.0.1:${gateway.port}/productpage?view=live`, options);
  const squares = (page: Page, lane = 0) => page.locator('.lane').nth(lane).locator('.squares button');
  const asked = () => gateway.received.filter(({ path }) => path === REPORT);
  const signIn = async (page: Page) => {
    await page.locator('header').getByRole('button').click();
    await page.keyboard.type('jason');
    await page.keyboard.press('Enter');
    await page.getByText('Signed in as jason').waitFor();
  };

  describe.each(['light', 'dark'] as const)('in the %s theme', (colorScheme) => {
    test.each(['en-US', 'ko-KR'])('axe and the console find nothing to object to (%s)', async (locale) => {
      await using page = await open({ colorScheme, locale });
      await squares(page).nth(3).waitFor();
      expect(await violations(page)).toEqual([]);
      expect(page.complaints).toEqual([]);
      // What goes wrong looks different, and is to be read as well.
      report = refusesAsProxy(503, 'no healthy upstream');
      await page.locator('.squares .failed').first().waitFor();
      expect(await violations(page)).toEqual([]);
    });
  });

  test('draws each answer as a square that says who answered', async () => {
    await using page = await open();
    await squares(page).nth(3).waitFor();
    expect(await squares(page).first().textContent()).toBe('2★');
    expect(await squares(page).first().getAttribute('aria-label')).toMatch(
      /^2★, productpage v[12], reviews v2, stars: black, \d+ ms$/,
    );
    expect(await page.getByText(/^reviews: v2.★.100.%$/).count()).toBe(1);
  });

  test('pauses and goes on, by keyboard, with the first control of the view', async () => {
    await using page = await open();
    await squares(page).nth(1).waitFor();
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await page.keyboard.press('Tab');
    expect(await page.evaluate(() => document.activeElement?.textContent)).toBe('Pause');
    await page.keyboard.press('Enter');
    await page.getByRole('status').getByText('Paused.').waitFor();
    await page.locator('.pending').first().waitFor({ state: 'detached' });
    const before = asked().length;
    await page.waitForTimeout(1200);
    expect(asked().length).toBe(before);
    await page.keyboard.press('Enter');
    await vi.waitFor(() => expect(asked().length).toBeGreaterThan(before), { timeout: 5000 });
  });

  test('asks as two users when one is signed in: with the cookie, and without', async () => {
    await using page = await open();
    await signIn(page);
    gateway.received.length = 0;
    await squares(page, 1).nth(3).waitFor();
    expect(await page.locator('.lane h3').allTextContents()).toEqual(['jason', 'anybody else']);
    const cookies = asked().map(({ headers }) => /session=jason/.test(headers.cookie ?? ''));
    expect(new Set(cookies)).toEqual(new Set([true, false]));
    await page.getByText('end-user: jason').waitFor();
  });

  test('sends the header of the canary when told to', async () => {
    await using page = await open();
    await squares(page).first().waitFor();
    expect(asked().some(({ headers }) => 'canary' in headers)).toBe(false);
    await page.getByRole('checkbox', { name: 'with the header canary: true' }).check();
    await vi.waitFor(() => expect(asked().at(-1)?.headers.canary).toBe('true'), { timeout: 5000 });
  });

  test('marks the pages of the canary, and shows its share', async () => {
    await using page = await open();
    // Behind a name that balances by connection, and this gateway opens one for each request.
    await page.locator('.squares [data-page=v2]').first().waitFor();
    await page.locator('.squares [data-page=v1]').first().waitFor();
    await page.getByText(/^productpage: v1.\d+.% · v2.\d+.%$/).waitFor();
  });

  test('shows what a proxy says in place of the page, in its words', async () => {
    await using page = await open();
    report = refusesAsProxy(429, 'local_rate_limited');
    const refused = page.locator('.squares').getByRole('button', { name: '429 from a proxy: local_rate_limited' });
    await refused.first().waitFor();
    expect(await refused.first().textContent()).toBe('429');
    await refused.first().click();
    await page.locator('#answer').getByText('429 from a proxy: local_rate_limited').waitFor();
  });

  test('shows markup and broken connections as failures, and goes on', async () => {
    await using page = await open();
    report = (response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<img src=x onerror=alert(1)>');
    await page
      .getByRole('button', { name: /^200 from a proxy, / })
      .first()
      .waitFor();
    report = (_response, { socket }) => socket.destroy();
    await page
      .getByRole('button', { name: /^no connection/ })
      .first()
      .waitFor();
    report = pass;
    const before = await squares(page).filter({ hasText: '2★' }).count();
    await vi.waitFor(async () => expect(await squares(page).filter({ hasText: '2★' }).count()).toBeGreaterThan(before));
  });

  test('has no more than three requests in flight for each user', async () => {
    await using page = await open();
    await page.getByRole('combobox').selectOption('250');
    report = hangs;
    await page.locator('.pending').nth(2).waitFor();
    const before = asked().length;
    await page.waitForTimeout(1500);
    expect(asked().length).toBe(before);
    expect(await page.locator('.pending').count()).toBe(3);
  });

  test('keeps the last fifty answers', async () => {
    await using page = await open();
    await page.clock.install();
    // Set before the clock was ours, one timer still takes its own time; those after it are ours.
    await squares(page).nth(1).waitFor();
    for (let i = 0; i < 60; i++) {
      await page.clock.runFor(500);
      await vi.waitFor(async () => expect(await page.locator('.pending').count()).toBe(0), { timeout: 15_000 });
    }
    expect(await squares(page).count()).toBe(50);
    expect(await page.locator('.count').textContent()).toBe('answers: 50');
  });

  test('stops by itself after ten minutes', async () => {
    await using page = await open();
    await squares(page).first().waitFor();
    await page.clock.install();
    await page.clock.fastForward(11 * 60_000);
    await page.getByText('Paused after 10 minutes.').waitFor();
  });

  test('tells of the chosen square how that page came about, and stays with it', async () => {
    await using page = await open();
    await squares(page).nth(1).waitFor();
    await squares(page).first().focus();
    await page.keyboard.press('Enter');
    const title = page.getByRole('heading', { name: 'Answer 1' });
    await title.waitFor();
    expect(await title.evaluate((element) => element === document.activeElement)).toBe(true);
    expect(await page.locator('#answer .node strong').allTextContents()).toEqual([
      'not signed in',
      'productpage',
      'details',
      'reviews',
      'ratings',
    ]);
    await squares(page).nth(4).waitFor();
    expect(await title.isVisible()).toBe(true);
  });

  test('explains itself without JavaScript, and shows one answer', async () => {
    await using page = await open({ javaScriptEnabled: false });
    expect(await page.getByText('Without JavaScript').isVisible()).toBe(true);
    expect(await page.getByText(/for i in .* curl/).isVisible()).toBe(true);
    expect(await page.locator('#answer .node').count()).toBe(5);
    expect(await page.getByRole('button', { name: 'Pause' }).isVisible()).toBe(false);
    await page.getByRole('link', { name: 'Ask once more' }).click();
    expect(await page.locator('#answer .node').count()).toBe(5);
    expect(asked()).toEqual([]);
  });

  test('is not cut off on a narrow screen', async () => {
    for (const locale of ['en-US', 'ko-KR']) {
      await using page = await open({ viewport: { width: 320, height: 640 }, locale });
      await squares(page).nth(2).waitFor();
      expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(320);
    }
  });
});

/** Passes a request on to a port of this machine, on a connection of its own. */
function passesTo(port: number): Behaviour {
  return (response, incoming) => {
    const { method, url, headers } = incoming;
    const onward = request({ host: '127.0.0.1', port, method, path: url, headers, agent: false }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    onward.on('error', () => response.destroy());
    incoming.pipe(onward);
  };
}
