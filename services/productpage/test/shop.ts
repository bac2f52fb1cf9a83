import { backendAt } from '../../../local/bookinfo.ts';
import { DETAILS, RATINGS, reviewsOf } from '../../../test/support/bodies.ts';
import { type Env, type TestedService, useService } from '../../../test/support/service.ts';
import { answers, type Stub, useStub } from '../../../test/support/stub.ts';

export const GOOD = { details: DETAILS, reviews: reviewsOf('reviews-v1-abc'), ratings: RATINGS };
export type BackendName = keyof typeof GOOD;

export interface Shop extends Record<BackendName, Stub> {
  productpage: TestedService;
  page(headers?: Record<string, string>, query?: string): Promise<string>;
}

/** A productpage for all tests of the surrounding `describe` or file, with stubs as its backends. */
export function useShop(env: Env = {}): Shop {
  const details = useStub(answers(GOOD.details));
  const reviews = useStub(answers(GOOD.reviews));
  const ratings = useStub(answers(GOOD.ratings));
  const productpage = useService('productpage', () => ({
    ...backendAt('details', details.port),
    ...backendAt('reviews', reviews.port),
    ...backendAt('ratings', ratings.port),
    SESSION_SECRET: 'secret of this test',
    ...env,
  }));
  return {
    details,
    reviews,
    ratings,
    productpage,
    page: async (headers = {}, query = '') => (await productpage.request(`/productpage${query}`, { headers })).text,
  };
}

/** What a page says, without its markup. */
export function wordsOf(page: string): string {
  return page
    .replaceAll(/<[^>]*>/g, '')
    .replaceAll(/&#(\d+);/g, (_, code) => String.fromCodePoint(code))
    .replaceAll('&amp;', '&');
}
