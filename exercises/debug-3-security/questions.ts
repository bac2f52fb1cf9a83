/** What the policies of the challenge should do, from the way in inwards: a fault is told at the first question that it fails. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { NamedQuestion } from '../check/challenge.ts';

const PAGE = '/productpage';
const API = '/api/v1/products/0';
const RATINGS = 'http://ratings.default:9080/ratings/0';

/** Of a tester, and the same with one letter of its signature changed. */
const TOKEN = readFileSync(join(import.meta.dirname, '../../istio/tester.jwt'), 'utf8').trim();
const FORGED = TOKEN.replace(/.(?=[^.]{20}$)/, (letter) => (letter === 'A' ? 'B' : 'A'));
const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

export const QUESTIONS = {
  page: {
    name: 'Whoever opens /productpage gets the page, with details and reviews',
    url: PAGE,
    times: 20,
    expected: { 'Book Details, Reviews served by': 1 },
  },
  stars: {
    name: 'reviews v2 is told the ratings',
    from: 'reviews-v2',
    url: RATINGS,
    times: 10,
    expected: { '200 v1': 1 },
  },
  strangers: {
    name: 'ratings, which has no business there, may not ask reviews',
    hint: 4,
    from: 'ratings-v1',
    url: 'http://reviews.default:9080/reviews/0',
    times: 5,
    expected: { 403: 1 },
  },
  others: {
    name: 'details, which has no business there, may not ask ratings',
    hint: 4,
    from: 'details-v1',
    url: RATINGS,
    times: 5,
    expected: { 403: 1 },
  },
  write: {
    name: 'reviews may read ratings, and not change them',
    hint: 4,
    from: 'reviews-v2',
    method: 'POST',
    url: RATINGS,
    times: 5,
    expected: { 403: 1 },
  },
  method: {
    name: 'Who asks to DELETE the page is refused before it comes to productpage',
    hint: 4,
    method: 'DELETE',
    url: PAGE,
    times: 5,
    expected: { 403: 1 },
  },
  nobody: {
    name: 'Without a token nobody uses the API',
    hint: 4,
    url: API,
    times: 5,
    expected: { 403: 1 },
  },
  tester: {
    name: 'With the token of a tester (istio/tester.jwt) the API answers',
    hint: 3,
    url: API,
    headers: bearer(TOKEN),
    times: 10,
    expected: { '200 v': 1 },
  },
  forger: {
    name: 'With a forged token it does not',
    url: API,
    headers: bearer(FORGED),
    times: 5,
    expected: { 401: 1 },
  },
  outsider: {
    name: 'A pod outside the mesh does not even get a connection to ratings',
    from: 'outsider.legacy',
    url: RATINGS,
    times: 5,
    expected: { none: 1 },
  },
} satisfies Record<string, NamedQuestion>;
