/** What the files of istio/ do, as their READMEs and the lab say it. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { type Manifest, Refusal } from '../src/index.ts';
import { ask, file, pages, type Question, sentences, shares } from './ask.ts';

const PAGE = 'http://localhost/productpage';
const REVIEWS = 'http://reviews:9080/reviews/0';
const RATINGS = 'http://ratings:9080/ratings/0';
const ALL_V1 = 'virtual-service-all-v1';
const TEST_V2 = 'virtual-service-reviews-test-v2';

const BARE_CURL = {
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'curl', namespace: 'bare' },
  spec: {
    template: {
      metadata: { labels: { app: 'curl', 'sidecar.istio.io/inject': 'false' } },
      spec: { containers: [{ name: 'curl' }] },
    },
  },
};

describe('what the page shows, in percent of the requests', () => {
  test.for<[lessons: string[], expected: Record<string, number>, question?: Question]>([
    [[], { 'reviews-v1, no stars': 33.3333, 'reviews-v2, black stars': 33.3333, 'reviews-v3, red stars': 33.3333 }],
    [[ALL_V1], { 'reviews-v1, no stars': 100 }],
    [[ALL_V1, 'virtual-service-reviews-90-10'], { 'reviews-v1, no stars': 90, 'reviews-v2, black stars': 10 }],
    [[ALL_V1, 'virtual-service-reviews-80-20'], { 'reviews-v1, no stars': 80, 'reviews-v2, black stars': 20 }],
    [[ALL_V1, 'virtual-service-reviews-50-v3'], { 'reviews-v1, no stars': 50, 'reviews-v3, red stars': 50 }],
    [[ALL_V1, 'virtual-service-reviews-v2-v3'], { 'reviews-v2, black stars': 50, 'reviews-v3, red stars': 50 }],
    [[ALL_V1, 'virtual-service-reviews-v3'], { 'reviews-v3, red stars': 100 }],
    [[ALL_V1, TEST_V2], { 'reviews-v2, black stars': 100 }, { user: 'jason' }],
    [[ALL_V1, TEST_V2], { 'reviews-v1, no stars': 100 }],
    // The page takes the name from the session, never from a header of a stranger.
    [[ALL_V1, TEST_V2], { 'reviews-v1, no stars': 100 }, { headers: { 'end-user': 'jason' } }],
    [[ALL_V1, 'virtual-service-reviews-jason-v2-v3'], { 'reviews-v3, red stars': 100 }],
    [[ALL_V1, 'canary-reviews'], { 'reviews-v1, no stars': 80, 'reviews-v2, black stars': 20 }],
    [[ALL_V1, 'canary-reviews'], { 'reviews-v2, black stars': 100 }, { user: 'jason' }],
    [[ALL_V1, 'virtual-service-reviews-mirror'], { 'reviews-v1, no stars': 100 }],
    [
      ['fault-injection-details-v1', ALL_V1.replace('all-v1', 'reviews-v3')],
      { 'Error fetching product details, reviews-v3, red stars': 100 },
    ],
    // Two tries of 3 s are less than the 7 s that reviews v2 would have waited for ratings.
    [
      [ALL_V1, TEST_V2, 'virtual-service-ratings-test-delay'],
      { 'Error fetching product reviews after 6 s': 100 },
      { user: 'jason' },
    ],
    [[ALL_V1, TEST_V2, 'virtual-service-ratings-test-delay'], { 'reviews-v1, no stars': 100 }],
    [
      [ALL_V1, 'virtual-service-reviews-v3', 'virtual-service-ratings-test-delay'],
      { 'reviews-v3, Ratings service is currently unavailable after 2.5 s': 100 },
      { user: 'jason' },
    ],
    [
      [ALL_V1, TEST_V2, 'virtual-service-ratings-test-abort'],
      { 'reviews-v2, Ratings service is currently unavailable': 100 },
      { user: 'jason' },
    ],
    [[ALL_V1, 'virtual-service-reviews-timeout'], { 'Error fetching product reviews after 1 s': 100 }],
    [
      ['virtual-service-reviews-v3', 'k8s/ratings-v-faulty.yaml'],
      { 'reviews-v3, red stars': 75, 'reviews-v3, Ratings service is currently unavailable': 25 },
    ],
    [
      ['virtual-service-reviews-v3', 'k8s/ratings-v-faulty.yaml', 'virtual-service-ratings-retries'],
      { 'reviews-v3, red stars': 100 },
    ],
    [
      ['virtual-service-reviews-v3', 'k8s/ratings-v-delayed.yaml'],
      { 'reviews-v3, red stars': 75, 'reviews-v3, Ratings service is currently unavailable after 2.5 s': 25 },
    ],
    // The database versions are not there: no pod, hence 503, hence no stars.
    [['virtual-service-ratings-db'], { 'reviews-v3, Ratings service is currently unavailable': 100 }],
    [['virtual-service-ratings-db', 'k8s/bookinfo-ratings-v2.yaml'], { 'reviews-v3, red stars': 100 }],
    [['security-policy', ALL_V1], { 'reviews-v1, no stars': 100 }],
    [['destination-rule-all-mtls', 'security-policy', ALL_V1], { 'reviews-v1, no stars': 100 }],
    [['authorization-least-privilege', 'virtual-service-reviews-v3'], { 'reviews-v3, red stars': 100 }],
  ])('%j: %j %j', ([lessons, expected, question]) => {
    expect(pages(ask(PAGE, lessons, question))).toEqual(expected);
  });
});

describe('who answers a request, and how', () => {
  const canary = { headers: { canary: 'true' } };
  const V2 = 'k8s/productpage-v2.yaml';
  test.for<[url: string, lessons: string[], expected: Record<string, number>, question?: Question]>([
    [PAGE, ['canary-productpage', V2], { '200 v1': 95, '200 v2': 5 }],
    [PAGE, ['canary-productpage', V2], { '200 v2': 100 }, canary],
    [PAGE, ['canary-productpage'], { 503: 100 }, canary],
    [
      'http://productpage:9080/productpage',
      ['canary-productpage', V2],
      { '200 v2': 100 },
      { from: 'ratings-v1', ...canary },
    ],
    ['http://localhost/nowhere', [], { 404: 100 }],
    ['http://localhost/productpages', [], { 404: 100 }],
    ['http://localhost/login', [], { '302 v1': 100 }, { method: 'POST' }],
    [PAGE, [], { '405 v1': 100 }, { method: 'DELETE' }],
    [PAGE, ['authorization-least-privilege'], { 403: 100 }, { method: 'DELETE' }],
    [RATINGS, ['authorization-least-privilege'], { '200 v1': 100 }, { from: 'reviews-v2' }],
    [RATINGS, ['authorization-least-privilege'], { 403: 100 }, { from: 'reviews-v2', method: 'POST' }],
    [RATINGS, ['authorization-least-privilege'], { 403: 100 }, { from: 'productpage-v1' }],
    ['http://details:9080/details/0', ['authorization-least-privilege'], { 403: 100 }, { from: 'reviews-v2' }],
    ['http://details:9080/details/0', ['security-policy'], { '200 v1': 100 }, { from: 'ratings-v1' }],
    [RATINGS, ['virtual-service-ratings-mysql'], { 503: 100 }, { from: 'reviews-v2' }],
    [RATINGS, ['virtual-service-ratings-mysql-vm'], { 503: 100 }, { from: 'reviews-v2' }],
    ['http://details:9080/details/0', ['virtual-service-details-v2'], { 503: 100 }, { from: 'productpage-v1' }],
    [
      'http://details:9080/details/0',
      ['virtual-service-details-v2', 'k8s/bookinfo-details-v2.yaml', 'egress-rule-google-apis'],
      { 'unknown v2': 100 },
      { from: 'productpage-v1' },
    ],
    [
      'http://details:9080/details/0',
      ['virtual-service-details-v2', 'k8s/bookinfo-details-v2.yaml', 'egress-gateway-google-apis'],
      { 'unknown v2': 100 },
      { from: 'productpage-v1' },
    ],
    [
      REVIEWS,
      ['destination-rule-reviews'],
      { '200 v1': 33.3333, '200 v2': 33.3333, '200 v3': 33.3333 },
      { from: 'productpage-v1' },
    ],
    ['http://localhost/.well-known/acme-challenge/x', ['certmanager-gateway'], { 503: 100 }],
  ])('%s %j: %j %j', ([url, lessons, expected, question]) => {
    expect(shares(ask(url, lessons, question))).toEqual(expected);
  });

  test('a signed token leads to productpage v2, a forged one to 401, none to v1', () => {
    const token = readFileSync(join(import.meta.dirname, '../../../istio/tester.jwt'), 'utf8').trim();
    const as = (bearer: string) =>
      shares(ask(PAGE, ['canary-by-token', V2], { headers: { authorization: `Bearer ${bearer}` } }));
    expect(as(token)).toEqual({ '200 v2': 100 });
    expect(as(token.replace(/.(?=[^.]{20}$)/, (letter) => (letter === 'A' ? 'B' : 'A')))).toEqual({ 401: 100 });
    expect(shares(ask(PAGE, ['canary-by-token', V2]))).toEqual({ '200 v1': 100 });
  });

  test('the egress gateway is on the way, and starts TLS', () => {
    const said = sentences(
      ask(
        'http://details:9080/details/0',
        ['virtual-service-details-v2', 'k8s/bookinfo-details-v2.yaml', 'egress-gateway-google-apis'],
        { from: 'productpage-v1' },
      ),
    );
    expect(said).toContain('Gateway default/egress-google-apis opens port 8080 for host www.googleapis.com');
    expect(said).toContain(
      'out of the mesh to www.googleapis.com:443 (ServiceEntry default/googleapis); the proxy starts TLS (SIMPLE)',
    );
  });

  test('a pod without a sidecar gets the page, until mutual TLS is STRICT', () => {
    const ofCurl = (lessons: string[]) =>
      ask('http://productpage.default:9080/productpage', [[BARE_CURL], ...lessons], { from: 'curl.bare' });
    expect(shares(ofCurl([]))).toEqual({ '200 v1': 100 });
    const strict = ofCurl(['security-policy']);
    expect(shares(strict)).toEqual({ none: 100 });
    expect(sentences(strict)).toContain(
      'productpage-v1 takes mutual TLS only (PeerAuthentication default/default is STRICT), and curl has no sidecar',
    );
  });

  test('the time for one try counts when it is below that for all of them', () => {
    const slow = (perTryTimeout: string) => {
      const retries = { attempts: 1, perTryTimeout, retryOn: '5xx' };
      const http = [{ route: [{ destination: { host: 'ratings' } }], timeout: '2s', retries }];
      const rule: Manifest = {
        apiVersion: 'networking.istio.io/v1',
        kind: 'VirtualService',
        metadata: { name: 'ratings' },
        spec: { hosts: ['ratings'], http },
      };
      return shares(ask(RATINGS, ['k8s/ratings-v-delayed.yaml', [rule]], { from: 'reviews-v2' }));
    };
    expect(slow('1s')).toEqual({ '200 v1': 75, '200 v-delayed': 25 });
    expect(slow('2s')).toEqual({ '200 v1': 50, '200 v-delayed': 25, 504: 25 });
  });

  test('a rate limit and a circuit breaker are named, since they hold under load only', () => {
    expect(sentences(ask(PAGE, ['productpage_envoy_ratelimit']))).toContain(
      'EnvoyFilter default/productpage-ratelimit may answer 429: productpage-v1 takes 10 requests at once, 10 more every 60s',
    );
    expect(sentences(ask(PAGE, ['reviews_envoy_ratelimit']))).toContain(
      'reviews-v1 takes 20 requests at once, 20 more every 1s',
    );
    expect(sentences(ask(PAGE, ['destination-rule-reviews-circuit-breaker']))).toContain(
      'outlier detection: consecutive5xxErrors 3',
    );
  });

  test('a mirror is named, and its answers change nothing', () => {
    expect(sentences(ask(PAGE, [ALL_V1, 'virtual-service-reviews-mirror']))).toContain(
      'mirror: 100 % of the requests go to reviews v3 as well; its answers are thrown away',
    );
  });
});

describe('the database policies', () => {
  test('peer-authentication-databases.yaml: the database takes plain text, the shop does not', () => {
    const lessons = ['peer-authentication-databases', 'k8s/bookinfo-mysql.yaml', [BARE_CURL]];
    const ofCurl = (url: string) => shares(ask(url, lessons, { from: 'curl.bare' }));
    expect(ofCurl('http://mysqldb.default:3306/')).toEqual({ 'unknown v1': 100 });
    expect(ofCurl('http://ratings.default:9080/ratings/0')).toEqual({ none: 100 });
  });
});

describe('the namespace production', () => {
  const production = [
    'k8s/production.yaml',
    'production/bookinfo-gateway',
    'production/peer-authentication',
    'production/authorization-productpage',
  ];
  const of = (url: string, question?: Question) => shares(ask(url, production, question, []));
  test('the page for its host, 404 for another, 403 for a POST that is no login', () => {
    expect(of('http://bookinfo.production/productpage')).toEqual({ '200 v1': 100 });
    expect(of('http://localhost/productpage')).toEqual({ 404: 100 });
    expect(of('http://bookinfo.production/login', { method: 'POST' })).toEqual({ '302 v1': 100 });
    expect(of('http://bookinfo.production/productpage', { method: 'POST' })).toEqual({ 403: 100 });
  });

  test('who asks is of the namespace default, as with kubectl, unless another is named', () => {
    // Restarted since, so younger than the other.
    const restarted = file('k8s/bookinfo.yaml').map((it) => ({
      ...it,
      metadata: { ...it.metadata, creationTimestamp: '2026-01-02T00:00:00Z' },
    }));
    const both = [...production, restarted, ALL_V1, 'destination-rule-all'];
    const asker = (from: string) => ask(REVIEWS, both, { from }, []).steps;
    expect(JSON.stringify(asker('productpage-v1'))).toContain('VirtualService default/reviews');
    expect(JSON.stringify(asker('productpage-v1.production'))).toContain('no route for reviews');
  });
});

describe('the Gateway API', () => {
  const start = ['k8s/bookinfo.yaml', 'k8s/bookinfo-versions.yaml', 'istio/gateway-api/bookinfo-gateway.yaml'];
  const gatewayApi = (name: string) => `istio/gateway-api/${name}.yaml`;
  test.for<[lessons: string[], expected: Record<string, number>, question?: Question]>([
    [['route-all-v1'], { 'reviews-v1, no stars': 100 }],
    [['route-all-v1', 'route-reviews-v1'], { 'reviews-v1, no stars': 100 }],
    [['route-all-v1', 'route-reviews-v3'], { 'reviews-v3, red stars': 100 }],
    [['route-all-v1', 'route-reviews-50-v3'], { 'reviews-v1, no stars': 50, 'reviews-v3, red stars': 50 }],
    [['route-all-v1', 'route-reviews-80-20'], { 'reviews-v1, no stars': 80, 'reviews-v2, black stars': 20 }],
    [['route-all-v1', 'route-reviews-90-10'], { 'reviews-v1, no stars': 90, 'reviews-v2, black stars': 10 }],
    [['route-all-v1', 'route-reviews-v2-v3'], { 'reviews-v2, black stars': 50, 'reviews-v3, red stars': 50 }],
    [['route-all-v1', 'route-reviews-jason-v2-v3'], { 'reviews-v2, black stars': 100 }, { user: 'jason' }],
    [['route-all-v1', 'route-reviews-jason-v2-v3'], { 'reviews-v3, red stars': 100 }],
    [['route-all-v1', 'route-reviews-test-v2'], { 'reviews-v1, no stars': 100 }],
    [['route-all-v1', 'canary-reviews'], { 'reviews-v2, black stars': 100 }, { user: 'jason' }],
    [['route-all-v1', 'route-reviews-mirror'], { 'reviews-v1, no stars': 100 }],
    [['route-all-v1', 'route-reviews-timeout'], { 'reviews-v2, black stars': 100 }],
    [['route-reviews-v3', '../authorization-least-privilege'], { 'reviews-v3, red stars': 100 }],
  ])('%j: %j %j', ([lessons, expected, question]) => {
    expect(pages(ask(PAGE, lessons.map(gatewayApi), question, start))).toEqual(expected);
  });

  test('the canary of productpage holds at the gateway and inside', () => {
    const lessons = [gatewayApi('canary-productpage'), 'k8s/productpage-v2.yaml'];
    expect(shares(ask(PAGE, lessons, {}, start))).toEqual({ '200 v1': 95, '200 v2': 5 });
    expect(shares(ask(PAGE, lessons, { headers: { canary: 'true' } }, start))).toEqual({ '200 v2': 100 });
    const inside = { from: 'ratings-v1', headers: { canary: 'true' } };
    expect(shares(ask('http://productpage:9080/productpage', lessons, inside, start))).toEqual({ '200 v2': 100 });
  });
});

test('ambient mode is refused by name', () => {
  const refusal = (lesson: string) => () => ask(PAGE, [lesson]);
  expect(refusal('ambient/reviews-waypoint')).toThrow(Refusal);
  expect(refusal('ambient/reviews-waypoint')).toThrow('Gateway default/reviews-waypoint: spec.gatewayClassName');
});

test('every file of istio/ but those of ambient mode is understood', () => {
  const root = join(import.meta.dirname, '../../../istio');
  const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((it) => it.endsWith('.yaml'));
  expect(files.length).toBeGreaterThan(50);
  for (const it of files.filter((name) => !/^(ambient|addons)\//.test(name)))
    expect(() => ask(PAGE, [`istio/${it}`]), it).not.toThrow();
});
