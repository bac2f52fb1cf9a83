import { describe, expect, test } from 'vitest';
import { RATINGS_ERROR, reviewsOf } from '../../../test/support/bodies.ts';
import { cookieOf } from '../../../test/support/http.ts';
import { answers } from '../../../test/support/stub.ts';
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
    const switched = await shop.productpage.request('/productpage?lang=ko', {
      headers: { 'accept-language': 'en' },
    });
    expect(languageOf(switched.text)).toBe('ko');
    const cookie = cookieOf(switched);
    expect(languageOf(await shop.page({ cookie, 'accept-language': 'en' }))).toBe('ko');
    expect(languageOf(await shop.page({ cookie }, '?lang=en'))).toBe('en');
  });

  test('is not changed by a switch or a cookie that names another', async () => {
    expect(languageOf(await shop.page({ cookie: 'language=xx' }, '?lang=constructor'))).toBe('en');
  });

  test('is that of every text, the errors included', async () => {
    shop.reviews.behave(answers(reviewsOf('reviews-v2-abc', [RATINGS_ERROR, RATINGS_ERROR])));
    shop.details.behave(answers({}, 503));
    const [english, korean] = [await shop.page({}, '?lang=en'), await shop.page({}, '?lang=ko')];
    for (const [inEnglish, inKorean] of [
      ['Book Reviews', '도서 리뷰'],
      ['Ratings service is currently unavailable', '지금은 별점 서비스를 사용할 수 없습니다'],
      ['Error fetching product details', '도서 정보를 가져오지 못했습니다'],
      ['Sign in', '로그인'],
    ] as const) {
      expect(english).toContain(inEnglish);
      expect(english).not.toContain(inKorean);
      expect(korean).toContain(inKorean);
      expect(korean).not.toContain(inEnglish);
    }
    // Scripts look for it whatever the language.
    expect(korean).toContain('<title>Simple Bookstore App</title>');
  });

  test('is named where it is not that of the page: the book and its reviews are English', async () => {
    const page = await shop.page({}, '?lang=ko');
    for (const text of ['The Comedy of Errors', 'William Shakespeare', 'paperback', 'First text.']) {
      const before = page.slice(0, page.indexOf(text));
      const [tag] = before.match(/<[a-z][^>]*lang="[a-z]+"[^>]*>(?!.*<[a-z][^>]*lang=)/s) ?? [];
      expect([text, tag]).toEqual([text, expect.stringContaining('lang="en"')]);
    }
  });
});
