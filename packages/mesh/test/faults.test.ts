/** The typical mistakes, each explained by the sentence that a learner needs. */
import { describe, expect, test } from 'vitest';
import type { Manifest } from '../src/index.ts';
import { ask, file, type Question, sentences, shares } from './ask.ts';

const PAGE = 'http://localhost/productpage';
const REVIEWS = 'http://reviews:9080/reviews/0';
const RATINGS = 'http://ratings:9080/ratings/0';
const NOW = 1_800_000_000;

/** A file of this repository with one of its words changed. */
const spoiled = (path: string, right: string, wrong: string): Manifest[] => {
  const text = JSON.stringify(file(path));
  expect(text, `${path} says ${right}`).toContain(right);
  return JSON.parse(text.replaceAll(right, wrong)) as Manifest[];
};
const GATEWAY = 'istio/bookinfo-gateway.yaml';
const SUBSETS = 'istio/destination-rule-all.yaml';
const SHOP = 'k8s/bookinfo.yaml';
const LEAST = 'istio/authorization-least-privilege.yaml';

/** `{ alg: none }` would do: the rules under test give no keys. */
const token = (claims: object): string => {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  return `Bearer ${part({ alg: 'ES256' })}.${part({ exp: NOW + 60, ...claims })}.c2lnbmF0dXJl`;
};
const withToken = (claims: object): Question => ({ headers: { authorization: token(claims) }, now: NOW });

const virtualService = (name: string, spec: object): Manifest => ({
  apiVersion: 'networking.istio.io/v1',
  kind: 'VirtualService',
  metadata: { name },
  spec,
});
const security = (kind: string, name: string, spec: object, namespace = 'default'): Manifest => ({
  apiVersion: 'security.istio.io/v1',
  kind,
  metadata: { name, namespace },
  spec,
});
const route = (subset: string) => [{ destination: { host: 'reviews', subset } }];
const toPage = { route: [{ destination: { host: 'productpage', port: { number: 9080 } } }] };
const TOKENS = security('RequestAuthentication', 'tokens', {
  selector: { matchLabels: { app: 'productpage' } },
  jwtRules: [{ issuer: 'bookinfo-auth', jwksUri: 'http://auth:9080/jwks' }],
});

interface Fault {
  url: string;
  manifests: (string | Manifest[])[];
  question?: Question;
  expected: Record<string, number>;
  says: string;
}

describe('routing', () => {
  test.for<[name: string, fault: Fault]>([
    [
      'a Gateway whose selector fits no pod',
      {
        url: PAGE,
        manifests: [spoiled(GATEWAY, '"ingressgateway"', '"ingress"')],
        expected: { none: 100 },
        says: 'no Gateway selects the pods of istio-ingressgateway, so nothing listens; Gateway default/bookinfo-gateway selects {"istio":"ingress"}',
      },
    ],
    [
      'a Gateway for another host',
      {
        url: PAGE,
        manifests: [spoiled(GATEWAY, '["*"]', '["bookinfo.com"]')],
        expected: { 404: 100 },
        says: 'no route on this gateway: no server of Gateway default/bookinfo-gateway is for host localhost',
      },
    ],
    [
      'a path that is not the one',
      {
        url: PAGE,
        manifests: [spoiled(GATEWAY, '"exact":"/productpage"', '"exact":"/product"')],
        expected: { 404: 100 },
        says: 'path /productpage is not "/product"',
      },
    ],
    [
      'a prefix that the program does not know',
      {
        url: 'http://localhost/product',
        manifests: [spoiled(GATEWAY, '"exact":"/productpage"', '"prefix":"/product"')],
        expected: { '404 v1': 100 },
        says: 'productpage-v1 answers 404',
      },
    ],
    [
      'port 80 where the Service has 9080',
      {
        url: PAGE,
        manifests: [spoiled(GATEWAY, '9080', '80')],
        expected: { 503: 100 },
        says: '503: Service default/productpage has no port 80, only 9080',
      },
    ],
    [
      'a Service that is not there',
      {
        url: REVIEWS,
        manifests: [
          [virtualService('reviews', { hosts: ['reviews'], http: [{ route: [{ destination: { host: 'review' } }] }] })],
        ],
        question: { from: 'productpage-v1' },
        expected: { 503: 100 },
        says: '503: there is no Service review.default',
      },
    ],
    [
      'a subset that no DestinationRule defines',
      {
        url: REVIEWS,
        manifests: [[virtualService('reviews', { hosts: ['reviews'], http: [{ route: route('v9') }] })]],
        question: { from: 'productpage-v1' },
        expected: { 503: 100 },
        says: '503: subset v9 of reviews is not defined in DestinationRule default/reviews',
      },
    ],
    [
      'a subset by a label that no pod has',
      {
        url: REVIEWS,
        manifests: [spoiled(SUBSETS, '"version"', '"ver"'), 'virtual-service-reviews-v3'],
        question: { from: 'productpage-v1' },
        expected: { 503: 100 },
        says: 'subset {"ver":"v3"} of Service default/reviews has no pods, no pod has the labels {"app":"reviews","ver":"v3"}',
      },
    ],
    [
      'a VirtualService applied again without its gateway',
      {
        url: PAGE,
        manifests: [[virtualService('bookinfo', { hosts: ['*'], http: [toPage] })]],
        expected: { 404: 100 },
        says: 'no VirtualService is for Gateway default/bookinfo-gateway and host localhost; VirtualService default/bookinfo is for mesh and host *',
      },
    ],
    [
      'a canary for the mesh, looked at through the gateway',
      {
        url: PAGE,
        manifests: [
          [
            virtualService('canary', {
              hosts: ['productpage'],
              http: [{ route: [{ destination: { host: 'productpage', subset: 'v2' } }] }],
            }),
          ],
          'k8s/productpage-v2.yaml',
        ],
        expected: { '200 v1': 50, '200 v2': 50 },
        says: 'rule 1 of VirtualService default/bookinfo matches',
      },
    ],
    [
      'a rule that takes everything before the one for jason',
      {
        url: REVIEWS,
        manifests: [
          [
            virtualService('reviews', {
              hosts: ['reviews'],
              http: [
                { route: route('v1') },
                { match: [{ headers: { 'end-user': { exact: 'jason' } } }], route: route('v2') },
              ],
            }),
          ],
        ],
        question: { from: 'productpage-v1', headers: { 'end-user': 'jason' } },
        expected: { '200 v1': 100 },
        says: 'not rule 2 of VirtualService default/reviews: rule 1 of VirtualService default/reviews matches first',
      },
    ],
    [
      'two VirtualServices for one host',
      {
        url: REVIEWS,
        manifests: [
          'virtual-service-all-v1',
          [virtualService('reviews-retry', { hosts: ['reviews'], http: [{ route: route('v2') }] })],
        ],
        question: { from: 'productpage-v1' },
        expected: { '200 v2': 100 },
        says: 'VirtualService default/reviews is ignored: VirtualService default/reviews-retry has the host already',
      },
    ],
    [
      'a breaker that counts consecutiveErrors',
      {
        url: REVIEWS,
        manifests: [
          spoiled('istio/destination-rule-reviews-circuit-breaker.yaml', 'consecutive5xxErrors', 'consecutiveErrors'),
          'virtual-service-reviews-v3',
        ],
        question: { from: 'productpage-v1' },
        expected: { '200 v3': 100 },
        says: 'outlierDetection.consecutiveErrors: 3 has no effect, Istio does not read it; consecutive5xxErrors is what counts, by default 5',
      },
    ],
    [
      'a port named tcp',
      {
        url: RATINGS,
        manifests: [
          spoiled(SHOP, '"name":"http","port":9080', '"name":"tcp","port":9080'),
          'virtual-service-ratings-test-abort',
        ],
        question: { from: 'reviews-v2', headers: { 'end-user': 'jason' } },
        expected: { '200 v1': 100 },
        says: 'port 9080 of Service default/ratings is named "tcp": TCP to Istio, so no HTTP route holds',
      },
    ],
    [
      'a fault on a route that nobody takes',
      {
        url: PAGE,
        manifests: ['virtual-service-all-v1', 'virtual-service-ratings-test-abort'],
        question: { user: 'jason' },
        expected: { '200 v1': 100 },
        says: 'reviews-v1 answers 200: no stars',
      },
    ],
    [
      'a Service whose selector fits no pod',
      {
        url: 'http://details:9080/details/0',
        manifests: [spoiled(SHOP, '"selector":{"app":"details"}', '"selector":{"app":"detail"}')],
        question: { from: 'productpage-v1' },
        expected: { 503: 100 },
        says: 'no healthy upstream: Service default/details has no pods, no pod has the labels {"app":"detail"}',
      },
    ],
  ])('%s', ([, { url, manifests, question, expected, says }]) => {
    const explanation = ask(url, manifests, question);
    expect(shares(explanation)).toEqual(expected);
    expect(sentences(explanation)).toContain(says);
  });

  test('what Istio does not define is said to be so', () => {
    const twice = [
      virtualService('reviews', { hosts: ['reviews'], http: [{ route: route('v1') }] }),
      virtualService('again', { hosts: ['reviews'], http: [{ route: route('v2') }] }),
    ];
    const from = { from: 'productpage-v1' };
    expect(ask(REVIEWS, [twice], from).undecided.join()).toMatch(
      /^Istio does not define the order of VirtualService default\/again, VirtualService default\/reviews/,
    );
    const aged = twice.map((it, i) => ({
      ...it,
      metadata: { ...it.metadata, creationTimestamp: `2026-11-0${i + 1}T00:00:00Z` },
    }));
    const known = ask(REVIEWS, [aged], from);
    expect(known.undecided).toEqual([]);
    expect(shares(known)).toEqual({ '200 v1': 100 });
  });
});

describe('security', () => {
  test.for<[name: string, fault: Fault]>([
    [
      'STRICT, and a DestinationRule that switches TLS off',
      {
        url: RATINGS,
        manifests: ['security-policy', spoiled('istio/destination-rule-all-mtls.yaml', 'ISTIO_MUTUAL', 'DISABLE')],
        question: { from: 'reviews-v2' },
        expected: { 503: 100 },
        says: '503: ratings-v1 takes mutual TLS only (PeerAuthentication default/default is STRICT), and a DestinationRule says tls mode DISABLE',
      },
    ],
    [
      'a token of another issuer',
      {
        url: PAGE,
        manifests: [[TOKENS]],
        question: withToken({ iss: 'somebody', sub: 'jason' }),
        expected: { 401: 100 },
        says: '401: Jwt issuer is not configured: RequestAuthentication default/tokens at productpage-v1',
      },
    ],
    [
      'a token that has run out',
      {
        url: PAGE,
        manifests: [[TOKENS]],
        question: withToken({ iss: 'bookinfo-auth', exp: NOW - 3600 }),
        expected: { 401: 100 },
        says: '401: Jwt is expired',
      },
    ],
    [
      'keys at an address that is not looked at',
      {
        url: PAGE,
        manifests: [[TOKENS]],
        question: withToken({ iss: 'bookinfo-auth', sub: 'jason' }),
        expected: { '200 v1': 100 },
        says: 'assumed: http://auth:9080/jwks has the key of this token',
      },
    ],
    [
      'the wrong service account',
      {
        url: RATINGS,
        manifests: [spoiled(LEAST, '"bookinfo-reviews"', '"reviews"')],
        question: { from: 'reviews-v2' },
        expected: { 403: 100 },
        says: 'not rule 1 of AuthorizationPolicy default/ratings (ALLOW): serviceAccount is default/bookinfo-reviews, not default/reviews',
      },
    ],
    [
      'from and to as two items: two rules, and one is enough',
      {
        url: RATINGS,
        manifests: [
          [
            security('AuthorizationPolicy', 'ratings', {
              selector: { matchLabels: { app: 'ratings' } },
              rules: [
                { from: [{ source: { principals: ['cluster.local/ns/default/sa/bookinfo-reviews'] } }] },
                { to: [{ operation: { methods: ['GET'] } }] },
              ],
            }),
          ],
        ],
        question: { from: 'details-v1' },
        expected: { '200 v1': 100 },
        says: 'rule 2 of AuthorizationPolicy default/ratings allows it',
      },
    ],
    [
      'RequestAuthentication alone: no token is as good as one',
      {
        url: PAGE,
        manifests: [[TOKENS]],
        expected: { '200 v1': 100 },
        says: 'RequestAuthentication default/tokens: no token, which RequestAuthentication alone lets pass',
      },
    ],
    [
      'a policy whose selector fits no pod',
      {
        url: RATINGS,
        manifests: [
          [
            security('AuthorizationPolicy', 'deny', {
              selector: { matchLabels: { app: 'rating' } },
              action: 'DENY',
              rules: [{}],
            }),
          ],
        ],
        question: { from: 'details-v1' },
        expected: { '200 v1': 100 },
        says: 'AuthorizationPolicy default/deny holds for no pod: it selects {"app":"rating"}',
      },
    ],
    [
      'a policy in another namespace',
      {
        url: RATINGS,
        manifests: [[security('AuthorizationPolicy', 'deny', { action: 'DENY', rules: [{}] }, 'production')]],
        question: { from: 'details-v1' },
        expected: { '200 v1': 100 },
        says: 'AuthorizationPolicy production/deny holds for no pod: there is none in namespace production',
      },
    ],
    [
      'a principal asked for without mutual TLS',
      {
        url: RATINGS,
        manifests: [LEAST, spoiled('istio/destination-rule-all-mtls.yaml', 'ISTIO_MUTUAL', 'DISABLE')],
        question: { from: 'reviews-v2' },
        expected: { 403: 100 },
        says: 'plain text (a DestinationRule says tls mode DISABLE): ratings-v1 does not know who calls',
      },
    ],
    [
      'a token that is asked for and not sent',
      {
        url: PAGE,
        manifests: [
          [
            TOKENS,
            security('AuthorizationPolicy', 'tokens', {
              selector: { matchLabels: { app: 'productpage' } },
              rules: [{ from: [{ source: { requestPrincipals: ['bookinfo-auth/*'] } }] }],
            }),
          ],
        ],
        expected: { 403: 100 },
        says: 'requestPrincipal is not known, not bookinfo-auth/*',
      },
    ],
  ])('%s', ([, { url, manifests, question, expected, says }]) => {
    const explanation = ask(url, manifests, question);
    expect(shares(explanation)).toEqual(expected);
    expect(sentences(explanation)).toContain(says);
  });
});

describe('what the model does not know, it refuses by kind, name and field', () => {
  test.for<[manifests: Manifest[], problem: string]>([
    [
      spoiled('istio/destination-rule-reviews-circuit-breaker.yaml', 'outlierDetection', 'circuitBreaker'),
      'DestinationRule default/reviews: spec.trafficPolicy.circuitBreaker is not a field that this model knows',
    ],
    [
      [virtualService('reviews', { hosts: ['reviews'], tcp: [] })],
      'VirtualService default/reviews: spec.tcp is not a field that this model knows',
    ],
    [
      [virtualService('reviews', { hosts: ['reviews'], http: [{ corsPolicy: {} }] })],
      'VirtualService default/reviews: spec.http[0].corsPolicy is not a field that this model knows',
    ],
    [
      [security('AuthorizationPolicy', 'ask', { action: 'CUSTOM' })],
      'AuthorizationPolicy default/ask: spec.action must be equal to one of the allowed values',
    ],
    [
      [{ apiVersion: 'networking.istio.io/v1', kind: 'Sidecar', metadata: { name: 'default' }, spec: {} }],
      'Sidecar default/default: this model does not know the kind',
    ],
  ])('%#', ([manifests, problem]) => {
    expect(() => ask(PAGE, [manifests])).toThrow(problem);
  });
});
