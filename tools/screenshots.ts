/** Writes the pictures of the documents anew: start Bookinfo (`pnpm start`), then `node tools/screenshots.ts`. */
import { fileURLToPath } from 'node:url';
import { launchBrowser } from '../test/e2e/browser.ts';

const PAGE = 'http://localhost:9080/productpage';
/** More reloads than this to see a version means that it is not there. */
const RELOADS = 30;

const browser = await launchBrowser();
await take('productpage-v1-light.png', { productpage: 'v1', reviews: 'v3' }, { colorScheme: 'light', locale: 'en-US' });
await take(
  'productpage-v2-dark.ko.png',
  { productpage: 'v2', reviews: 'v2' },
  { colorScheme: 'dark', locale: 'ko-KR' },
);
await browser.close();

async function take(
  file: string,
  versions: { productpage: string; reviews: string },
  options: { colorScheme: 'light' | 'dark'; locale: string },
): Promise<void> {
  for (let i = 0; i < RELOADS; i++) {
    // A connection of its own for each view: the versions change by connection.
    const context = await browser.newContext({ ...options, viewport: { width: 1024, height: 900 } });
    const page = await context.newPage();
    await page.goto(PAGE);
    const text = await page.locator('body').textContent();
    if (text?.includes(`productpage ${versions.productpage}`) && text?.includes(`reviews-${versions.reviews}`)) {
      await page.screenshot({ path: fileURLToPath(new URL(`../docs/${file}`, import.meta.url)), fullPage: true });
      console.log(`docs/${file}`);
      await context.close();
      return;
    }
    await context.close();
  }
  throw new Error(`no page with ${JSON.stringify(versions)} in ${RELOADS} views of ${PAGE}`);
}
