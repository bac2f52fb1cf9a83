/** Writes the pictures of the documents anew: `npx pnpm@12 exec node tools/screenshots.ts`. Korean ones need a Korean font. */
import { fileURLToPath } from 'node:url';
import { startBookinfo } from '../local/bookinfo.ts';
import { WORKLOADS, type WorkloadName } from '../local/workloads.ts';
import { en } from '../services/productpage/src/messages/en.ts';
import { ko } from '../services/productpage/src/messages/ko.ts';
import { launchBrowser } from '../test/e2e/browser.ts';

const LOCALES = { 'en-US': { messages: en, suffix: '' }, 'ko-KR': { messages: ko, suffix: '.ko' } } as const;

const browser = await launchBrowser();
for (const reviews of ['reviews-v1', 'reviews-v2', 'reviews-v3'] as const) {
  const names: WorkloadName[] = ['productpage-v1', 'details-v1', 'ratings-v1', reviews];
  await using bookinfo = await startBookinfo({ workloads: WORKLOADS.filter(({ name }) => names.includes(name)) });
  const url = `http://localhost:${bookinfo.ports.productpage}/productpage`;
  for (const [locale, { messages, suffix }] of Object.entries(LOCALES)) {
    const context = await browser.newContext({ locale, colorScheme: 'light', viewport: { width: 1024, height: 900 } });
    const page = await context.newPage();
    await page.goto(url);
    const section = page.getByRole('region', { name: messages.bookReviews });
    await section.screenshot({ path: picture(`${reviews}${suffix}.png`) });
    if (reviews === 'reviews-v3' && suffix === '')
      await page.screenshot({ path: picture('productpage-v1-light.png'), fullPage: true });
    await context.close();
  }
}
await takeLiveView();
await browser.close();

/** The live view in two states: all is well, and then ratings is stopped before its eyes. */
async function takeLiveView(): Promise<void> {
  const started = WORKLOADS.filter(({ name, start }) => start && name !== 'productpage-v2');
  await using bookinfo = await startBookinfo({ workloads: started });
  const url = `http://localhost:${bookinfo.ports.productpage}/productpage?view=live`;
  const views = await Promise.all(
    Object.entries(LOCALES).map(async ([locale, { suffix }]) => {
      const colorScheme = suffix === '' ? 'light' : 'dark';
      const context = await browser.newContext({ locale, colorScheme, viewport: { width: 1024, height: 780 } });
      const page = await context.newPage();
      await page.goto(url);
      await page.locator('#pace').selectOption('250');
      return { context, page, suffix };
    }),
  );
  /** As soon as there are so many squares of a kind. */
  const take = async (name: string, squares: string, count: number, of = views) => {
    await Promise.all(
      of.map(async ({ page, suffix }) => {
        await page
          .locator(squares)
          .nth(count - 1)
          .waitFor();
        await page.screenshot({ path: picture(`${name}${suffix}.png`) });
      }),
    );
  };
  await take('live', '.squares button', 42);
  for (const { workload, kill } of bookinfo.processes) if (workload.service === 'ratings') kill('SIGTERM');
  await take('live-ratings-stopped', '.squares .failed', 12, views.slice(0, 1));
  await Promise.all(views.map(({ context }) => context.close()));
}

function picture(file: string): string {
  console.log(`docs/${file}`);
  return fileURLToPath(new URL(`../docs/${file}`, import.meta.url));
}
