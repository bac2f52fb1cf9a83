/// <reference lib="dom" />
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startBookinfo } from '../../local/bookinfo.ts';
import { type WorkloadName, workloads } from '../../local/workloads.ts';
import { browserPath, launchBrowser, openPage, violations } from './browser.ts';

describe.skipIf(!browserPath && !process.env.CI)('the page in a browser (skipped where there is no Chromium)', () => {
  const running = new AsyncDisposableStack();
  let browser: Browser;
  /** The same page from productpage v1, from the canary v2, with black stars, and with its backends down. */
  const pages = { v1: '', v2: '', black: '', broken: '', withoutRatings: '' };

  beforeAll(async () => {
    /** What is not among them is down. */
    const start = async (...names: WorkloadName[]) => {
      const bookinfo = running.use(await startBookinfo({ workloads: workloads(...names) }));
      return `http://127.0.0.1:${bookinfo.ports.productpage}/productpage`;
    };
    const backends = ['details-v1', 'reviews-v3', 'ratings-v1'] as const;
    [pages.v1, pages.v2, pages.black, pages.broken, pages.withoutRatings] = await Promise.all([
      start('productpage-v1', ...backends),
      start('productpage-v2', ...backends),
      start('productpage-v1', 'details-v1', 'reviews-v2', 'ratings-v1'),
      start('productpage-v1'),
      start('productpage-v1', 'details-v1', 'reviews-v3'),
    ]);
    browser = await launchBrowser();
  });
  afterAll(async () => {
    await browser?.close();
    await running.disposeAsync();
  });

  const open = (url: string, options?: BrowserContextOptions) => openPage(browser, url, options);
  const signInButton = (page: Page) => page.locator('header').getByRole('button');

  describe.each(['light', 'dark'] as const)('in the %s theme', (colorScheme) => {
    test.each(['v1', 'v2', 'black', 'broken', 'withoutRatings'] as const)(
      'axe finds nothing to object to, nor does the console (%s)',
      async (which) => {
        for (const locale of ['en-US', 'ko-KR']) {
          await using page = await open(pages[which], { colorScheme, locale });
          await page.locator('summary').click();
          expect(await violations(page)).toEqual([]);
          await signInButton(page).click();
          expect(await violations(page)).toEqual([]);
          expect(page.complaints).toEqual([]);
        }
      },
    );
  });

  test('axe finds nothing to object to on the start page', async () => {
    await using page = await open(new URL('/', pages.v1).href);
    expect(await violations(page)).toEqual([]);
    expect(page.complaints).toEqual([]);
  });

  test('the start page signs in as jason', async () => {
    await using page = await open(new URL('/', pages.v1).href);
    await page.getByRole('button', { name: 'Sign in as jason' }).click();
    await page.getByText('Signed in as jason').waitFor();
  });

  test('signing in and out needs no mouse', async () => {
    await using page = await open(pages.v1);
    const button = signInButton(page);
    while (!(await button.evaluate((element) => element === document.activeElement))) await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await page.keyboard.type('jason');
    await page.keyboard.press('Enter');
    await page.getByText('Signed in as jason').waitFor();
    expect(page.url()).toBe(pages.v1);
    await page.getByRole('link', { name: 'Sign out' }).focus();
    await page.keyboard.press('Enter');
    await button.waitFor();
  });

  test.each([true, false])('the sign-in dialog is modal (JavaScript: %s)', async (javaScriptEnabled) => {
    await using page = await open(pages.v1, { javaScriptEnabled });
    const dialog = page.getByRole('dialog');
    await signInButton(page).click();
    expect(await dialog.evaluate((element) => element.matches(':modal'))).toBe(true);
    for (let i = 0; i < 8; i++) {
      await page.keyboard.press('Tab');
      expect(await page.evaluate(() => document.activeElement?.closest('dialog, body')?.tagName)).not.toBe('MAIN');
      expect(await page.locator('main :focus, header :focus, .skip:focus').count()).toBe(0);
    }
    await page.keyboard.press('Escape');
    await dialog.waitFor({ state: 'hidden' });
    expect(await signInButton(page).evaluate((element) => element === document.activeElement)).toBe(true);
    await signInButton(page).click();
    await dialog.getByRole('button', { name: 'Cancel' }).click();
    await dialog.waitFor({ state: 'hidden' });
  });

  test('everything works without JavaScript', async () => {
    await using page = await open(pages.v1, { javaScriptEnabled: false });
    await signInButton(page).click();
    await page.getByLabel('User name').fill('jason');
    await page.getByRole('dialog').getByRole('button', { name: 'Sign in' }).click();
    await page.getByText('Signed in as jason').waitFor();
  });

  test('it asks no other host for anything', async () => {
    await using page = await open('about:blank');
    const hosts = new Set<string>();
    page.on('request', (request) => hosts.add(new URL(request.url()).host));
    await page.goto(pages.v1, { waitUntil: 'networkidle' });
    expect([...hosts]).toEqual([new URL(pages.v1).host]);
  });

  test('who called whom is seen without scrolling, as a list of lists', async () => {
    await using page = await open(pages.v1, { viewport: { width: 1440, height: 600 } });
    const path = page.locator('.path');
    const { y = 0, height = 0 } = (await path.boundingBox()) ?? {};
    expect(y + height).toBeLessThan(600);
    const names = (selector: string) => path.locator(selector).allTextContents();
    expect(await names(':scope > li > .node strong')).toEqual(['you']);
    expect(await names(':scope > li > ol > li > .node strong')).toEqual(['productpage']);
    expect(await names(':scope > li > ol > li > ol > li > .node strong')).toEqual(['details', 'reviews']);
    expect(await names('ol ol ol strong')).toEqual(['ratings']);
  });

  test('the path says which header goes along with a signed-in user', async () => {
    await using page = await open(pages.v1);
    await signInButton(page).click();
    await page.keyboard.type('jason');
    await page.keyboard.press('Enter');
    await page.getByText('end-user: jason').waitFor();
  });

  test('versions are told apart by number and star, and by colour where colours are forced', async () => {
    const chipOf = async (url: string) => {
      await using page = await open(url, { forcedColors: 'active' });
      const chip = page.getByRole('region', { name: 'Book Reviews' }).locator('.chip');
      return { text: await chip.textContent(), color: await chip.evaluate((e) => getComputedStyle(e).backgroundColor) };
    };
    expect(await chipOf(pages.v1)).toEqual({ text: 'v3 ★', color: 'rgb(200, 16, 46)' });
    expect(await chipOf(pages.black)).toEqual({ text: 'v2 ★', color: 'rgb(11, 14, 20)' });
  });

  test('the bars are drawn, although the policy of the page allows no style of its own', async () => {
    await using page = await open(pages.v1);
    const bars = page.locator('.bars rect');
    expect(await bars.count()).toBe(4);
    const [track, ratings] = [await page.locator('.bars').last().boundingBox(), await bars.last().boundingBox()];
    expect(ratings?.width).toBeGreaterThan(0);
    expect(ratings?.x).toBeGreaterThan(track?.x ?? Number.NaN);
    expect(await bars.nth(2).evaluate((bar) => getComputedStyle(bar).fill)).toBe('rgb(200, 16, 46)');
  });

  test.each(['light', 'dark'] as const)(
    'the stars of reviews v3 are red, those of v2 black (%s)',
    async (colorScheme) => {
      const colorOf = async (url: string) => {
        await using page = await open(url, { colorScheme });
        const star = page.locator('.glyphicon-star').first();
        return await star.evaluate((element) => getComputedStyle(element).color);
      };
      expect(await colorOf(pages.v1)).toBe(colorScheme === 'light' ? 'rgb(208, 0, 0)' : 'rgb(255, 90, 95)');
      expect(await colorOf(pages.black)).toBe('rgb(0, 0, 0)');
    },
  );

  test('v2 has another colour than v1', async () => {
    const banner = async (url: string) => {
      await using page = await open(url);
      return await page.locator('header').evaluate((header) => getComputedStyle(header).backgroundColor);
    };
    expect(await banner(pages.v2)).not.toBe(await banner(pages.v1));
  });

  test('nothing is cut off on a narrow screen, in either language', async () => {
    for (const url of Object.values(pages)) {
      for (const locale of ['en-US', 'ko-KR']) {
        await using page = await open(url, { viewport: { width: 320, height: 640 }, locale });
        const seen = page.locator('main :is(td, dd, p, .node, h2)');
        const ends = await seen.evaluateAll((all) => all.map((element) => element.getBoundingClientRect().right));
        expect(Math.max(...ends)).toBeLessThanOrEqual(320);
        expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(320);
      }
    }
  });

  test('the switch turns the page Korean, and it stays so', async () => {
    await using page = await open(pages.v1, { locale: 'en-US' });
    await page.getByRole('link', { name: '한국어' }).click();
    await page.getByRole('heading', { name: '도서 리뷰' }).waitFor();
    await page.goto(pages.v1);
    expect(await page.locator('html').getAttribute('lang')).toBe('ko');
  });
});
