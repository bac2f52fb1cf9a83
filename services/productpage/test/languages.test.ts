import { describe, expect, test } from 'vitest';
import { RATINGS_ERROR, reviewsOf } from '../../../test/support/bodies.ts';
import { answers } from '../../../test/support/stub.ts';
import { en } from '../src/messages/en.ts';
import { ko } from '../src/messages/ko.ts';
import { useShop } from './shop.ts';

describe('the language of the page', () => {
  const shop = useShop();
  const languageOf = (page: string) => /<html lang="(\w+)"/.exec(page)?.[1];

  test.each([
    ['nothing, as curl does', {}, 'en'],
    ['English', { 'accept-language': 'en-US,en;q=0.9' }, 'en'],
    ['Korean', { 'accept-language': 'ko-KR,ko;q=0.9,en;q=0.8' }, 'ko'],
    ['French, then Korean', { 'accept-language': 'fr,ko;q=0.5' }, 'ko'],
    ['only French', { 'accept-language': 'fr' }, 'en'],
    ['anything', { 'accept-language': '*' }, 'en'],
    ['nonsense', { 'accept-language': ';;;q=x,,' }, 'en'],
  ])('is chosen for a client that asks for %s', async (_what, headers, language) => {
    expect(languageOf(await shop.page(headers))).toBe(language);
  });

  test('can be switched by a link, and stays so', async () => {
    const { text, headers } = await shop.productpage.request('/productpage?lang=ko', {
      headers: { 'accept-language': 'en' },
    });
    expect(languageOf(text)).toBe('ko');
    const cookie = String(headers['set-cookie']).split(';')[0] ?? '';
    expect(languageOf(await shop.page({ cookie, 'accept-language': 'en' }))).toBe('ko');
    expect(languageOf(await shop.page({ cookie }, '?lang=en'))).toBe('en');
  });

  test('is not changed by a switch or a cookie that names another', async () => {
    expect(languageOf(await shop.page({ cookie: 'language=xx' }, '?lang=constructor'))).toBe('en');
  });

  test('Korean says the same as English: every text, and the errors', async () => {
    expect(Object.keys(ko).toSorted()).toEqual(Object.keys(en).toSorted());
    shop.reviews.behave(answers(reviewsOf('reviews-v2-abc', [RATINGS_ERROR, RATINGS_ERROR])));
    shop.details.behave(answers({}, 503));
    const page = await shop.page({}, '?lang=ko');
    for (const text of [ko.bookReviews, ko.ratingsError, ko.detailsError, ko.signIn]) expect(page).toContain(text);
    for (const text of [en.bookReviews, en.ratingsError, en.detailsError, en.signIn]) expect(page).not.toContain(text);
    expect(page).toContain('<title>Simple Bookstore App</title>');
  });

  test('English has the words that tutorials look for', () => {
    expect(en).toMatchObject({
      siteTitle: 'Simple Bookstore App',
      bookDetails: 'Book Details',
      bookReviews: 'Book Reviews',
      detailsError: 'Error fetching product details',
      reviewsError: 'Error fetching product reviews',
      detailsSorry: 'Sorry, product details are currently unavailable for this book.',
      reviewsSorry: 'Sorry, product reviews are currently unavailable for this book.',
      ratingsError: 'Ratings service is currently unavailable',
      servedBy: 'Reviews served by:',
      onCluster: 'on cluster',
      signIn: 'Sign in',
      signOut: 'Sign out',
    });
  });
});
