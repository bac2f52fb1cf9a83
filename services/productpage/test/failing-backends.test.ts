import { beforeEach, describe, expect, test } from 'vitest';
import { backendAt } from '../../../local/bookinfo.ts';
import { freePort } from '../../../local/free-port.ts';
import { failuresOf } from '../../../test/support/failures.ts';
import { start } from '../../../test/support/service.ts';
import { answers } from '../../../test/support/stub.ts';
import { GOOD, useShop } from './shop.ts';

const DETAILS_DOWN = [
  'Error fetching product details',
  'Sorry, product details are currently unavailable for this book.',
];
const REVIEWS_DOWN = [
  'Error fetching product reviews',
  'Sorry, product reviews are currently unavailable for this book.',
];

describe('the product page is still answered with 200', () => {
  const shop = useShop();
  beforeEach(() => {
    for (const name of ['details', 'reviews'] as const) {
      shop[name].behave(answers(GOOD[name]));
      shop[name].received.length = 0;
    }
  });
  const page = async () => {
    const { status, text } = await shop.productpage.request('/productpage');
    expect(status).toBe(200);
    return text;
  };

  test.each(failuresOf(GOOD.details))('when details $name', async ({ behaviour }) => {
    shop.details.behave(behaviour);
    const text = await page();
    for (const words of DETAILS_DOWN) expect(text).toContain(words);
    expect(text).not.toContain('Book Details');
    expect(text).toContain('Book Reviews');
    // One try for details.
    expect(shop.details.received).toHaveLength(1);
  });

  test.each(failuresOf(GOOD.reviews))('when reviews $name, after two tries', async ({ behaviour }) => {
    shop.reviews.behave(behaviour);
    const text = await page();
    for (const words of REVIEWS_DOWN) expect(text).toContain(words);
    expect(text).not.toContain('Book Reviews');
    expect(text).toContain('Book Details');
    expect(shop.reviews.received).toHaveLength(2);
  });

  test('when both are down, and says so of each', async () => {
    shop.details.behave(answers({}, 503));
    shop.reviews.behave(answers({}, 503));
    const text = await page();
    for (const words of [...DETAILS_DOWN, ...REVIEWS_DOWN]) expect(text).toContain(words);
  });

  test('with the reviews when only the first try fails', async () => {
    let tries = 0;
    shop.reviews.behave((response, request) =>
      (++tries === 1 ? answers({}, 503) : answers(GOOD.reviews))(response, request),
    );
    expect(await page()).toContain('Book Reviews');
    expect(tries).toBe(2);
  });

  test('and with everything again as soon as the backends are back', async () => {
    const text = await page();
    expect(text).toContain('Book Details');
    expect(text).toContain('Book Reviews');
  });

  test('when nobody listens, or a name does not resolve', async () => {
    await using alone = await start('productpage', {
      ...backendAt('details', await freePort()),
      REVIEWS_HOSTNAME: 'reviews.invalid',
    });
    const { status, text } = await alone.request('/productpage');
    expect(status).toBe(200);
    for (const words of [...DETAILS_DOWN, ...REVIEWS_DOWN]) expect(text).toContain(words);
    expect(text).toContain('ECONNREFUSED');
  });
});
