import { beforeEach, describe, expect, test } from 'vitest';
import { RATINGS_ERROR, reviewsOf, stars } from '../../../test/support/bodies.ts';
import { answers } from '../../../test/support/stub.ts';
import { GOOD, useShop, wordsOf } from './shop.ts';

/** What `grep -c` prints. */
const linesWith = (text: string, part: string) => text.split('\n').filter((line) => line.includes(part)).length;

describe('the product page', () => {
  const shop = useShop({ SERVICE_VERSION: 'v1', HOSTNAME: 'productpage-v1-abc' });
  const reviewed = (...of: Parameters<typeof reviewsOf>) => {
    shop.reviews.behave(answers(reviewsOf(...of), 200, { 'x-service-version': 'v3', 'x-pod-name': of[0] }));
    return shop.page();
  };

  beforeEach(() => {
    shop.details.behave(answers(GOOD.details, 200, { 'x-service-version': 'v1', 'x-pod-name': 'details-v1-abc' }));
  });

  test('is HTML with the title on one line', async () => {
    const { status, headers, text } = await shop.productpage.request('/productpage');
    expect(status).toBe(200);
    expect(headers['content-type']).toBe('text/html; charset=utf-8');
    expect(text).toMatch(/^<!doctype html>/);
    expect(text.split('\n')).toContain('<title>Simple Bookstore App</title>');
  });

  test('asks details and reviews for product 0, once each, and ratings not at all', async () => {
    for (const stub of [shop.details, shop.reviews, shop.ratings]) stub.received.length = 0;
    await reviewed('reviews-v1-abc');
    expect(shop.details.received).toMatchObject([{ method: 'GET', path: '/details/0' }]);
    expect(shop.reviews.received).toMatchObject([{ method: 'GET', path: '/reviews/0' }]);
    expect(shop.ratings.received).toEqual([]);
  });

  test('shows the details', async () => {
    const page = await shop.page();
    for (const text of [
      'Book Details',
      'The Comedy of Errors',
      'William Shakespeare',
      '1595',
      'paperback',
      '200',
      'PublisherA',
      'English',
      '1234567890',
      '123-1234567890',
    ]) {
      expect(page).toContain(text);
    }
  });

  test('has no star and no error with reviews v1', async () => {
    const page = await reviewed('reviews-v1-abc');
    expect(linesWith(page, 'glyphicon-star')).toBe(0);
    for (const text of ['Book Reviews', 'Reviewer1', 'First text.', 'Reviewer2', 'Second text.']) {
      expect(page).toContain(text);
    }
    expect(page).not.toMatch(/Error fetching|unavailable/);
  });

  test.each(['black', 'red'])('has one line for each of the nine %s stars', async (color) => {
    const page = await reviewed('reviews-v2-abc', stars(color));
    expect(linesWith(page, 'glyphicon-star')).toBe(9);
    expect(linesWith(page, 'glyphicon glyphicon-star')).toBe(9);
    expect(linesWith(page, `data-color="${color}"`)).toBe(2);
  });

  test.each([
    [[1, 1], 2],
    [[5, 5], 10],
    [[0, 0], 0],
    [[9, -3], 5],
  ])('has as many filled stars as there are in %j', async ([first, second], count) => {
    const rating = (n = 0) => ({ stars: n, color: 'black' });
    const page = await reviewed('reviews-v2-abc', [rating(first), rating(second)]);
    expect(linesWith(page, 'glyphicon-star')).toBe(count);
  });

  test('says that ratings is unavailable, and still shows the reviews', async () => {
    const page = await reviewed('reviews-v2-abc', [RATINGS_ERROR, RATINGS_ERROR]);
    expect(linesWith(page, 'Ratings service is currently unavailable')).toBe(2);
    expect(linesWith(page, 'glyphicon-star')).toBe(0);
    expect(page).toContain('First text.');
    expect(page).not.toContain('Error fetching');
  });

  test('names the pod that served the reviews', async () => {
    const words = wordsOf(await reviewed('reviews-v3-xyz', stars('red')));
    expect(words).toContain('Reviews served by: reviews-v3-xyz');
    expect(words).not.toContain('on cluster');
  });

  test('names the cluster when there is one', async () => {
    const words = wordsOf(await reviewed('reviews-v3-xyz', stars('red'), 'cluster-1'));
    expect(words).toContain('Reviews served by: reviews-v3-xyz on cluster cluster-1');
  });

  test('shows who answered: version and pod of each service, time taken, request and trace', async () => {
    const page = await shop.page({
      'x-request-id': 'request-1',
      traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    });
    for (const text of ['productpage-v1-abc', 'details-v1-abc', 'reviews-v3-xyz', 'request-1'])
      expect(page).toContain(text);
    expect(page).toContain('0af7651916cd43dd8448eb211c80319c');
    expect(page).toMatch(/\d+ ms/);
  });

  test('escapes what backends say', async () => {
    const evil = '<script>alert(1)</script>"\'&';
    shop.details.behave(answers({ ...GOOD.details, author: evil }, 200, { 'x-pod-name': '<script>alert(2)</script>' }));
    const page = await reviewed(evil, [{ stars: 5, color: evil }, { error: evil }], evil);
    expect(page).not.toContain('<script');
    expect(wordsOf(page)).toContain(`Reviews served by: ${evil} on cluster ${evil}`);
  });

  test('is not kept by caches', async () => {
    const { headers } = await shop.productpage.request('/productpage');
    expect(headers['cache-control']).toBe('no-store');
  });
});
