/** What the mesh of the challenge should do, from the way in inwards: a fault is told at the first question that it fails. */
import type { NamedQuestion } from '../check/challenge.ts';

const PAGE = '/productpage';

export const QUESTIONS = {
  page: {
    name: 'Whoever opens /productpage gets the page',
    hint: 1,
    url: PAGE,
    times: 10,
    expected: { '200 v1': 1 },
  },
  signIn: {
    name: 'Whoever signs in is led back to the page',
    hint: 1,
    method: 'POST',
    url: '/login',
    form: { username: 'visitor', passwd: 'password' },
    times: 3,
    expected: { '302 v1': 1 },
  },
  canary: {
    name: 'Who sends the header "canary: true" gets productpage v2',
    hint: 3,
    url: PAGE,
    headers: { canary: 'true' },
    times: 10,
    expected: { '200 v2': 1 },
  },
  details: {
    name: 'The page has the details of the book',
    hint: 2,
    url: PAGE,
    times: 10,
    expected: { 'Book Details': 1 },
  },
  reviews: {
    name: 'The page has reviews',
    hint: 2,
    url: PAGE,
    times: 20,
    expected: { 'Reviews served by': 1 },
  },
  shares: {
    name: 'Of ten visitors, eight read reviews v1 and two v3',
    hint: 3,
    url: PAGE,
    times: 200,
    expected: { 'reviews-v1': 0.8, 'reviews-v3': 0.2 },
  },
  jason: {
    name: 'jason, signed in, reads reviews v2 with stars',
    hint: 3,
    url: PAGE,
    user: 'jason',
    times: 20,
    expected: { 'reviews-v2, stars': 1 },
  },
  chaos: {
    name: 'chaos, signed in, reads reviews v3, and ratings fails every time',
    hint: 4,
    url: PAGE,
    user: 'chaos',
    times: 10,
    expected: { 'reviews-v3, no ratings': 1 },
  },
  slow: {
    name: 'slow, signed in, reads reviews v3 with stars, after the 2 s that ratings takes',
    hint: 4,
    url: PAGE,
    user: 'slow',
    times: 3,
    notBefore: 1.9,
    expected: { 'reviews-v3, stars': 1 },
  },
} satisfies Record<string, NamedQuestion>;
