/** An explanation as a learner reads it. */
import { expect, test } from 'vitest';
import { render, whyNot } from '../src/index.ts';
import { ask } from './ask.ts';

const PAGE = 'http://localhost/productpage';
const REVIEWS = 'http://reviews:9080/reviews/0';
const text = (explanation: ReturnType<typeof ask>) => render(explanation).map((line) => line.text);

test('a tree with the reason at each fork, then what comes back', () => {
  const said = text(ask(REVIEWS, ['canary-reviews'], { from: 'productpage-v1' }));
  expect(said).toEqual([
    '└─ productpage-v1 asks GET reviews:9080/reviews/0',
    '   └─ rule 2 of VirtualService default/reviews matches',
    '      ✗ not rule 1 of VirtualService default/reviews: header end-user is missing, not "jason"',
    '      ├─ 80 % to reviews v1',
    '      │  ├─ mutual TLS (no PeerAuthentication: PERMISSIVE): reviews-v1 sees cluster.local/ns/default/sa/bookinfo-productpage',
    '      │  └─ reviews-v1 answers 200: no stars',
    '      └─ 20 % to reviews v2',
    '         ├─ mutual TLS (no PeerAuthentication: PERMISSIVE): reviews-v2 sees cluster.local/ns/default/sa/bookinfo-productpage',
    '         ├─ reviews-v2 asks GET ratings:9080/ratings/0, waits 10 s',
    '         │  ├─ no route for ratings: all its pods share the requests',
    '         │  ├─ mutual TLS (no PeerAuthentication: PERMISSIVE): ratings-v1 sees cluster.local/ns/default/sa/bookinfo-reviews',
    '         │  └─ ratings-v1 answers 200',
    '         └─ reviews-v2 answers 200: black stars',
    '',
    '  80 %  200 from reviews-v1: no stars',
    '  20 %  200 from reviews-v2: black stars',
    '',
    'note: assumed: namespaces have the label istio-injection=enabled, and every pod that is asked for is ready',
  ]);
});

test('what was passed over is dim, what comes back stands out', () => {
  const kinds = render(ask(REVIEWS, ['canary-reviews'], { from: 'productpage-v1' })).map(({ kind }) => kind);
  expect(kinds.filter((it) => it === 'skipped')).toHaveLength(1);
  expect(kinds.filter((it) => it === 'answer')).toHaveLength(2);
});

test.for<[wanted: string, lessons: string[], sentences: string[]]>([
  [
    'v2',
    ['virtual-service-all-v1', 'virtual-service-reviews-test-v2'],
    [
      'rule 1 of VirtualService default/reviews would, but header end-user is missing, not "jason".',
      'reviews-v2 would, but rule 2 of VirtualService default/reviews leads to reviews v1.',
    ],
  ],
  [
    'v2',
    ['virtual-service-all-v1', 'virtual-service-reviews-80-20'],
    ['It does: 20 % of these requests get to reviews-v2.'],
  ],
  [
    'v3',
    ['virtual-service-all-v1'],
    ['reviews-v3 would, but rule 1 of VirtualService default/reviews leads to reviews v1.'],
  ],
  [
    'v1',
    ['virtual-service-reviews-v2-v3'],
    [
      'It does: 100 % of these requests get to productpage-v1.',
      'reviews-v1 would, but rule 1 of VirtualService default/reviews leads to reviews v2, reviews v3.',
    ],
  ],
  ['reviews-v1', ['virtual-service-all-v1'], ['It does: 100 % of these requests get to reviews-v1.']],
  [
    'v9',
    ['virtual-service-all-v1'],
    ['Nothing on the way of this request leads to v9: no rule there routes to it or answers so.'],
  ],
  [
    '500',
    ['virtual-service-reviews-v3', 'virtual-service-ratings-test-abort'],
    ['rule 1 of VirtualService default/ratings would, but header end-user is missing, not "jason".'],
  ],
  ['403', ['virtual-service-all-v1'], ['No AuthorizationPolicy holds for any workload on the way.']],
])('why not %s with %j', ([wanted, lessons, sentences]) => {
  expect(whyNot(ask(PAGE, lessons), wanted)).toEqual(sentences);
});

test('why not 200', () => {
  expect(whyNot(ask('http://localhost/nowhere', []), '200')).toEqual([
    'Not 200: no rule of VirtualService default/bookinfo matches.',
  ]);
});
