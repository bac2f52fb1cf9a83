import { beforeAll, describe, expect, test } from 'vitest';
import { RATINGS_ERROR, reviewsOf, stars } from '../../../test/support/bodies.ts';
import { form } from '../../../test/support/http.ts';
import { answers, type Behaviour } from '../../../test/support/stub.ts';
import { GOOD, type Shop, useShop } from './shop.ts';

/** As a pod of ours answers, with its version and name in the headers too. */
const answersAs = (version: string, pod: string, body: unknown): Behaviour =>
  answers(body, 200, { 'x-service-version': version, 'x-pod-name': pod });
const reviews = (version: string, ratings?: Parameters<typeof reviewsOf>[1]) => {
  const pod = `reviews-${version}-b5dd4b787-74mh9`;
  return answersAs(version, pod, reviewsOf(pod, ratings));
};

const TRACED = { traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' };

describe('what courses and scripts search the page for is there as often as they count on', () => {
  const env = (version: string) => ({
    SERVICE_VERSION: version,
    HOSTNAME: `productpage-${version}-6cc5dc744d-qzbq8`,
    JAEGER_UI_URL: 'http://localhost:16686',
  });
  const v1 = useShop(env('v1'));
  const v2 = useShop(env('v2'));
  /** In the order of the counts below. */
  const pages: string[] = [];

  beforeAll(async () => {
    const good = answersAs('v1', 'details-v1-77654c4655-xfzdb', GOOD.details);
    const view = async (shop: Shop, reviewsDo: Behaviour, detailsDo = good, headers = {}) => {
      shop.reviews.behave(reviewsDo);
      shop.details.behave(detailsDo);
      pages.push(await shop.page({ ...TRACED, ...headers }));
    };
    const signedIn = await v1.productpage.request('/login', form({ username: 'somebody', passwd: 'password' }));
    const cookie = String(signedIn.headers['set-cookie']).split(';')[0];
    await view(v1, reviews('v1'));
    await view(v1, reviews('v3', stars('red')));
    await view(v1, reviews('v3', [RATINGS_ERROR, RATINGS_ERROR]));
    await view(v1, answers({}, 503));
    await view(v1, reviews('v3', stars('red')), answers({}, 503));
    await view(v1, reviews('v3', stars('red')), good, { cookie });
    await view(v2, reviews('v3', stars('red')));
  });

  // reviews:     v1 v3 v3          -            v3            v3         v3
  // what fails:        ratings     reviews      details
  // and besides:                                              signed in  productpage v2
  test.each<[RegExp, number[]]>([
    [/glyphicon-star/, [0, 9, 0, 0, 9, 9, 9]],
    [/glyphicon glyphicon-star/, [0, 9, 0, 0, 9, 9, 9]],
    [/reviews-v[0-9]/, [2, 2, 2, 0, 2, 2, 2]],
    [/Reviews served by/, [1, 1, 1, 0, 1, 1, 1]],
    [/Reviews served by: <strong>reviews-v\d-/, [1, 1, 1, 0, 1, 1, 1]],
    [/on cluster/, [0, 0, 0, 0, 0, 0, 0]],
    [/Book Reviews/, [1, 1, 1, 0, 1, 1, 1]],
    [/Book Details/, [1, 1, 1, 1, 0, 1, 1]],
    [/PublisherA/, [1, 1, 1, 1, 0, 1, 1]],
    [/Error fetching product details/, [0, 0, 0, 0, 1, 0, 0]],
    [/Error fetching product reviews/, [0, 0, 0, 1, 0, 0, 0]],
    [/Sorry.*book\./, [0, 0, 0, 1, 1, 0, 0]],
    [/Ratings service is.*unavailable/, [0, 0, 2, 0, 0, 0, 0]],
    [/currently unavailable/, [0, 0, 2, 1, 1, 0, 0]],
    [/<title>.*<\/title>/, [1, 1, 1, 1, 1, 1, 1]],
    [/<title>Simple Bookstore App<\/title>/, [1, 1, 1, 1, 1, 1, 1]],
    [/productpage v1/, [1, 1, 1, 1, 1, 1, 0]],
    [/productpage v2/, [0, 0, 0, 0, 0, 0, 1]],
    [/Sign in/, [3, 3, 3, 3, 3, 0, 3]],
    [/Sign out/, [0, 0, 0, 0, 0, 1, 0]],
    [/Signed in as/, [0, 0, 0, 0, 0, 1, 0]],
    [/trace\/[0-9a-f]{32}/, [1, 1, 1, 1, 1, 1, 1]],
    [/^after/, [0, 0, 0, 0, 0, 0, 0]],
  ])('%s', (pattern, counts) => {
    // What `grep -c` prints, and how many lines `grep -o` does.
    expect(pages.map((page) => page.split('\n').filter((line) => pattern.test(line)).length)).toEqual(counts);
    expect(pages.map((page) => page.match(new RegExp(pattern, 'gm'))?.length ?? 0)).toEqual(counts);
  });
});
