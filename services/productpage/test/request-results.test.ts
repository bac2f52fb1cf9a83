import { describe, expect, test, vi } from 'vitest';
import { answers, firstly } from '../../../test/support/stub.ts';
import { GOOD, type Shop, useShop } from './shop.ts';

/** What one series of a shop's productpage says. */
async function count(shop: Shop, app: string, code: number): Promise<number> {
  const { text } = await shop.productpage.request('/metrics');
  const series = `request_result_total{destination_app="${app}",response_code="${code}"} `;
  const line = text.split('\n').find((l) => l.startsWith(series));
  return Number(line?.slice(series.length) ?? 0);
}

describe('request_result_total', () => {
  const shop = useShop();
  /** By how much a series grows while something is done. */
  const growth = async (app: string, code: number, act: () => Promise<unknown>) => {
    const before = await count(shop, app, code);
    await act();
    return (await count(shop, app, code)) - before;
  };

  test('is a counter', async () => {
    const { text } = await shop.productpage.request('/metrics');
    expect(text).toMatch(/^# TYPE request_result_total counter$/m);
  });

  test.each(['details', 'reviews'])('counts a page view for %s', async (app) => {
    expect(await growth(app, 200, () => shop.page())).toBe(1);
  });

  test('counts a request at the API for that backend alone', async () => {
    const request = () => shop.productpage.request('/api/v1/products/0/ratings');
    expect(await growth('ratings', 200, request)).toBe(1);
    expect(await growth('details', 200, request)).toBe(0);
  });

  test('counts a failure under the status of the backend', async () => {
    shop.details.behave(answers({}, 503));
    expect(await growth('details', 503, () => shop.page())).toBe(1);
    shop.details.behave((_response, { socket }) => socket.destroy());
    expect(await growth('details', 500, () => shop.page())).toBe(1);
    shop.details.behave(answers(GOOD.details));
  });

  test('counts the two tries at reviews once, as the second ended', async () => {
    shop.reviews.behave(answers({}, 503));
    expect(await growth('reviews', 503, () => shop.page())).toBe(1);
    shop.reviews.behave(firstly(answers({}, 503), answers(GOOD.reviews)));
    expect(await growth('reviews', 503, () => shop.page())).toBe(0);
    shop.reviews.behave(firstly(answers({}, 503), answers(GOOD.reviews)));
    expect(await growth('reviews', 200, () => shop.page())).toBe(1);
  });
});

describe('v-flooding', () => {
  const shop = useShop({ SERVICE_VERSION: 'v-flooding', FLOOD_FACTOR: '100' });

  test('sends 100 extra requests for reviews with each page view, as the same user', async () => {
    shop.reviews.received.length = shop.details.received.length = 0;
    expect(await shop.page({ 'x-request-id': 'flood-1' })).toContain('Book Reviews');
    expect(shop.reviews.received).toHaveLength(101);
    expect(shop.reviews.received.every(({ headers }) => headers['x-request-id'] === 'flood-1')).toBe(true);
    expect(shop.details.received).toHaveLength(1);
  });

  test('counts them as the one result that the page shows', async () => {
    const before = await count(shop, 'reviews', 200);
    await shop.page();
    expect(await count(shop, 'reviews', 200)).toBe(before + 1);
  });

  test('survives a rate limit', async () => {
    shop.reviews.behave(answers({}, 429));
    const page = await shop.page();
    expect(page).toContain('Error fetching product reviews');
    expect(page).toContain('429 from a proxy');
    const failures = () => shop.productpage.lines.filter((line) => line.includes('reviews answered 429'));
    await vi.waitFor(() => expect(failures()).toHaveLength(1));
  });
});
