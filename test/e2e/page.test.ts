/// <reference lib="dom" />
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { AxeResults } from 'axe-core';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startBookinfo } from '../../local/bookinfo.ts';
import { type WorkloadName, workloads } from '../../local/workloads.ts';
import { browserPath, launchBrowser } from './browser.ts';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

describe.skipIf(!browserPath && !process.env.CI)('the page in a browser (skipped where there is no Chromium)', () => {
  const running = new AsyncDisposableStack();
  let browser: Browser;
  /** The same page from productpage v1, from the canary v2, and with its backends down. */
  const pages = { v1: '', v2: '', broken: '', withoutRatings: '' };

  beforeAll(async () => {
    /** What is not among them is down. */
    const start = async (...names: WorkloadName[]) => {
      const bookinfo = running.use(await startBookinfo({ workloads: workloads(...names) }));
      return `http://127.0.0.1:${bookinfo.ports.productpage}/productpage`;
    };
    const backends = ['details-v1', 'reviews-v3', 'ratings-v1'] as const;
    [pages.v1, pages.v2, pages.broken, pages.withoutRatings] = await Promise.all([
      start('productpage-v1', ...backends),
      start('productpage-v2', ...backends),
      start('productpage-v1'),
      start('productpage-v1', 'details-v1', 'reviews-v3'),
    ]);
    browser = await launchBrowser();
  });
  afterAll(async () => {
    await browser?.close();
    await running.disposeAsync();
  });

  const open = async (url: string, options: BrowserContextOptions = {}): Promise<Page> => {
    const page = await (await browser.newContext(options)).newPage();
    await page.goto(url);
    return page;
  };

  describe.each(['light', 'dark'] as const)('in the %s theme', (colorScheme) => {
    test.each(['v1', 'v2', 'broken', 'withoutRatings'] as const)('axe finds nothing serious (%s)', async (which) => {
      for (const locale of ['en-US', 'ko-KR']) {
        const page = await open(pages[which], { colorScheme, locale });
        expect(await violations(page)).toEqual([]);
        await page
          .getByRole('button', { name: locale === 'ko-KR' ? '로그인' : 'Sign in' })
          .first()
          .click();
        expect(await violations(page)).toEqual([]);
        await page.context().close();
      }
    });
  });

  test('signing in and out needs no mouse', async () => {
    const page = await open(pages.v1);
    const button = page.getByRole('button', { name: 'Sign in' }).first();
    while (!(await button.evaluate((element) => element === document.activeElement))) await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await page.keyboard.type('jason');
    await page.keyboard.press('Enter');
    await page.getByText('Signed in as jason').waitFor();
    expect(page.url()).toBe(pages.v1);
    await page.getByRole('link', { name: 'Sign out' }).focus();
    await page.keyboard.press('Enter');
    await page.getByRole('button', { name: 'Sign in' }).first().waitFor();
    await page.context().close();
  });

  test('everything works without JavaScript', async () => {
    const page = await open(pages.v1, { javaScriptEnabled: false });
    await page.getByRole('button', { name: 'Sign in' }).first().click();
    await page.getByLabel('User name').fill('jason');
    await page.getByRole('dialog').getByRole('button', { name: 'Sign in' }).click();
    await page.getByText('Signed in as jason').waitFor();
    await page.context().close();
  });

  test('it asks no other host for anything', async () => {
    const page = await (await browser.newContext()).newPage();
    const hosts = new Set<string>();
    page.on('request', (request) => hosts.add(new URL(request.url()).host));
    await page.goto(pages.v1, { waitUntil: 'networkidle' });
    expect([...hosts]).toEqual([new URL(pages.v1).host]);
    await page.context().close();
  });

  test('the stars of reviews v3 are red', async () => {
    const page = await open(pages.v1);
    const color = await page
      .locator('.glyphicon-star')
      .first()
      .evaluate((star) => getComputedStyle(star).color);
    expect(color).toBe('rgb(208, 0, 0)');
    await page.context().close();
  });

  test('v2 has another colour than v1', async () => {
    const banner = async (url: string) => {
      const page = await open(url);
      const color = await page.locator('header').evaluate((header) => getComputedStyle(header).backgroundColor);
      await page.context().close();
      return color;
    };
    expect(await banner(pages.v2)).not.toBe(await banner(pages.v1));
  });

  test('nothing is cut off on a narrow screen', async () => {
    for (const url of Object.values(pages)) {
      const page = await open(url, { viewport: { width: 320, height: 640 } });
      const width = await page.evaluate(() => document.documentElement.scrollWidth);
      expect(width).toBeLessThanOrEqual(320);
      await page.context().close();
    }
  });

  test('the switch turns the page Korean, and it stays so', async () => {
    const page = await open(pages.v1, { locale: 'en-US' });
    await page.getByRole('link', { name: '한국어' }).click();
    await page.getByRole('heading', { name: '도서 리뷰' }).waitFor();
    await page.goto(pages.v1);
    expect(await page.locator('html').getAttribute('lang')).toBe('ko');
    await page.context().close();
  });
});

/** What axe-core rates serious or critical, as `rule: selectors`. */
async function violations(page: Page): Promise<string[]> {
  await page.evaluate(AXE);
  const { violations } = (await page.evaluate('axe.run()')) as AxeResults;
  return violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(({ id, nodes }) => `${id}: ${nodes.map(({ target }) => target.join(' ')).join(', ')}`);
}
