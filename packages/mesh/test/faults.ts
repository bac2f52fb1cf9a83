/** The typical mistakes, each with what comes of it and the sentence that a learner needs. */
import type { Manifest } from '../src/index.ts';
import { file, type Question } from './ask.ts';

export const PAGE = 'http://localhost/productpage';
export const REVIEWS = 'http://reviews:9080/reviews/0';
const RATINGS = 'http://ratings:9080/ratings/0';
const NOW = 1_800_000_000;

/** A file of this repository with one of its words changed. */
export const spoiled = (path: string, right: string, wrong: string): Manifest[] => {
  const text = JSON.stringify(file(path));
  if (!text.includes(right)) throw new Error(`${path} does not say ${right}`);
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

export const virtualService = (name: string, spec: object): Manifest => ({
  apiVersion: 'networking.istio.io/v1',
  kind: 'VirtualService',
  metadata: { name },
  spec,
});
export const security = (kind: string, name: string, spec: object, namespace = 'default'): Manifest => ({
  apiVersion: 'security.istio.io/v1',
  kind,
  metadata: { name, namespace },
  spec,
});
export const route = (subset: string) => [{ destination: { host: 'reviews', subset } }];
const toPage = { route: [{ destination: { host: 'productpage', port: { number: 9080 } } }] };
const tokens = (rule: object): Manifest =>
  security('RequestAuthentication', 'tokens', {
    selector: { matchLabels: { app: 'productpage' } },
    jwtRules: [{ issuer: 'bookinfo-auth', jwksUri: 'http://auth:9080/jwks', ...rule }],
  });
const TOKENS = tokens({});

export interface Fault {
  name: string;
  url: string;
  manifests: (string | Manifest[])[];
  question?: Question;
  expected: Record<string, number>;
  says: string;
  /** Why no real mesh can be asked: the model assumes what it would look up. */
  offline?: string;
}

export const FAULTS: Fault[] = [
  {
    name: 'a Gateway whose selector fits no pod',
    url: PAGE,
    manifests: [spoiled(GATEWAY, '"ingressgateway"', '"ingress"')],
    expected: { none: 100 },
    offline: 'a shared gateway has other Gateways too',
    says: 'no Gateway selects the pods of istio-ingressgateway, so nothing listens; Gateway default/bookinfo-gateway selects {"istio":"ingress"}',
  },
  {
    name: 'a Gateway for another host',
    url: PAGE,
    manifests: [spoiled(GATEWAY, '["*"]', '["bookinfo.com"]')],
    expected: { 404: 100 },
    offline: 'a shared gateway has other Gateways too',
    says: 'no route on this gateway: no server of Gateway default/bookinfo-gateway is for host localhost',
  },
  {
    name: 'a path that is not the one',
    url: PAGE,
    manifests: [spoiled(GATEWAY, '"exact":"/productpage"', '"exact":"/product"')],
    expected: { 404: 100 },
    says: 'path /productpage is not "/product"',
  },
  {
    name: 'a prefix that the program does not know',
    url: 'http://localhost/product',
    manifests: [spoiled(GATEWAY, '"exact":"/productpage"', '"prefix":"/product"')],
    expected: { '404 v1': 100 },
    says: 'productpage-v1 answers 404',
  },
  {
    name: 'port 80 where the Service has 9080',
    url: PAGE,
    manifests: [spoiled(GATEWAY, '9080', '80')],
    expected: { 503: 100 },
    says: '503: Service default/productpage has no port 80, only 9080',
  },
  {
    name: 'a Service that is not there',
    url: REVIEWS,
    manifests: [
      [virtualService('reviews', { hosts: ['reviews'], http: [{ route: [{ destination: { host: 'review' } }] }] })],
    ],
    question: { from: 'productpage-v1' },
    expected: { 503: 100 },
    says: '503: there is no Service review.default',
  },
  {
    name: 'a subset that no DestinationRule defines',
    url: REVIEWS,
    manifests: [[virtualService('reviews', { hosts: ['reviews'], http: [{ route: route('v9') }] })]],
    question: { from: 'productpage-v1' },
    expected: { 503: 100 },
    says: '503: subset v9 of reviews is not defined in DestinationRule default/reviews',
  },
  {
    name: 'a subset by a label that no pod has',
    url: REVIEWS,
    manifests: [spoiled(SUBSETS, '"version"', '"ver"'), 'virtual-service-reviews-v3'],
    question: { from: 'productpage-v1' },
    expected: { 503: 100 },
    says: 'subset {"ver":"v3"} of Service default/reviews has no pods, no pod has the labels {"app":"reviews","ver":"v3"}',
  },
  {
    name: 'a VirtualService applied again without its gateway',
    url: PAGE,
    manifests: [[virtualService('bookinfo', { hosts: ['*'], http: [toPage] })]],
    expected: { 404: 100 },
    offline: 'a shared gateway has other Gateways too',
    says: 'no VirtualService is for Gateway default/bookinfo-gateway and host localhost; VirtualService default/bookinfo is for mesh and host *',
  },
  {
    name: 'a canary for the mesh, looked at through the gateway',
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
  {
    name: 'a rule that takes everything before the one for jason',
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
  {
    name: 'two VirtualServices for one host',
    url: REVIEWS,
    manifests: [
      'virtual-service-all-v1',
      [virtualService('reviews-retry', { hosts: ['reviews'], http: [{ route: route('v2') }] })],
    ],
    question: { from: 'productpage-v1' },
    expected: { '200 v1': 100 },
    says: 'VirtualService default/reviews-retry is ignored: VirtualService default/reviews has the host already',
  },
  {
    name: 'a breaker that counts consecutiveErrors',
    url: REVIEWS,
    manifests: [
      spoiled('istio/destination-rule-reviews-circuit-breaker.yaml', 'consecutive5xxErrors', 'consecutiveErrors'),
      'virtual-service-reviews-v3',
    ],
    question: { from: 'productpage-v1' },
    expected: { '200 v3': 100 },
    says: 'outlierDetection.consecutiveErrors: 3 has no effect, Istio does not read it; consecutive5xxErrors is what counts, by default 5',
  },
  {
    name: 'a port named tcp',
    url: RATINGS,
    manifests: [
      spoiled(SHOP, '"name":"http","port":9080', '"name":"tcp","port":9080'),
      'virtual-service-ratings-test-abort',
    ],
    question: { from: 'reviews-v2', headers: { 'end-user': 'jason' } },
    expected: { '200 v1': 100 },
    says: 'port 9080 of Service default/ratings is named "tcp": TCP to Istio, so no HTTP route holds',
  },
  {
    name: 'a fault on a route that nobody takes',
    url: PAGE,
    manifests: ['virtual-service-all-v1', 'virtual-service-ratings-test-abort'],
    question: { user: 'jason' },
    expected: { '200 v1': 100 },
    says: 'reviews-v1 answers 200: no stars',
  },
  {
    name: 'a Service whose selector fits no pod',
    url: 'http://details:9080/details/0',
    manifests: [spoiled(SHOP, '"selector":{"app":"details"}', '"selector":{"app":"detail"}')],
    question: { from: 'productpage-v1' },
    expected: { 503: 100 },
    says: 'no healthy upstream: Service default/details has no pods, no pod has the labels {"app":"detail"}',
  },

  {
    name: 'STRICT, and a DestinationRule that switches TLS off',
    url: RATINGS,
    manifests: ['security-policy', spoiled('istio/destination-rule-all-mtls.yaml', 'ISTIO_MUTUAL', 'DISABLE')],
    question: { from: 'reviews-v2' },
    expected: { 503: 100 },
    says: '503: ratings-v1 takes mutual TLS only (PeerAuthentication default/default is STRICT), and a DestinationRule says tls mode DISABLE',
  },
  {
    name: 'a token of another issuer',
    url: PAGE,
    manifests: [[TOKENS]],
    question: withToken({ iss: 'somebody', sub: 'jason' }),
    expected: { 401: 100 },
    says: '401: Jwt issuer is not configured: RequestAuthentication default/tokens at productpage-v1',
  },
  {
    name: 'a token that has run out',
    url: PAGE,
    manifests: [[TOKENS]],
    question: withToken({ iss: 'bookinfo-auth', exp: NOW - 3600 }),
    expected: { 401: 100 },
    offline: 'a real mesh looks at the clock and for the keys',
    says: '401: Jwt is expired',
  },
  {
    name: 'keys at an address that is not looked at',
    url: PAGE,
    manifests: [[tokens({ jwksUri: 'https://auth.example.com/jwks' })]],
    question: withToken({ iss: 'bookinfo-auth', sub: 'jason' }),
    expected: { '200 v1': 100 },
    offline: 'a real mesh looks at the clock and for the keys',
    says: 'assumed: https://auth.example.com/jwks has the key of this token',
  },
  {
    name: 'keys at a short name, which istiod takes for one of its own namespace',
    url: PAGE,
    manifests: [[TOKENS]],
    question: withToken({ iss: 'bookinfo-auth', sub: 'jason' }),
    expected: { 401: 100 },
    says: 'istiod, in istio-system, finds no Service auth',
  },
  {
    name: 'keys of a service that takes mutual TLS only, which istiod does not speak',
    url: PAGE,
    manifests: ['security-policy', [tokens({ jwksUri: 'http://details.default.svc.cluster.local:9080/jwks' })]],
    question: withToken({ iss: 'bookinfo-auth', sub: 'jason' }),
    expected: { 401: 100 },
    offline: 'details has no keys, so a real mesh refuses the token either way',
    says: 'istiod has no sidecar, and details-v1 takes mutual TLS only (PeerAuthentication default/default is STRICT)',
  },
  {
    name: 'a token for another audience',
    url: PAGE,
    manifests: [[tokens({ audiences: ['bookinfo'] })]],
    question: withToken({ iss: 'bookinfo-auth', sub: 'jason', aud: 'elsewhere' }),
    expected: { 403: 100 },
    says: 'Audiences in Jwt are not allowed',
  },
  {
    name: 'the wrong service account',
    url: RATINGS,
    manifests: [spoiled(LEAST, '"bookinfo-reviews"', '"reviews"')],
    question: { from: 'reviews-v2' },
    expected: { 403: 100 },
    says: 'not rule 1 of AuthorizationPolicy default/ratings (ALLOW): serviceAccount is default/bookinfo-reviews, not default/reviews',
  },
  {
    name: 'from and to as two items: two rules, and one is enough',
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
  {
    name: 'RequestAuthentication alone: no token is as good as one',
    url: PAGE,
    manifests: [[TOKENS]],
    expected: { '200 v1': 100 },
    says: 'RequestAuthentication default/tokens: no token, which RequestAuthentication alone lets pass',
  },
  {
    name: 'a policy whose selector fits no pod',
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
  {
    name: 'a policy in another namespace',
    url: RATINGS,
    manifests: [[security('AuthorizationPolicy', 'deny', { action: 'DENY', rules: [{}] }, 'production')]],
    question: { from: 'details-v1' },
    expected: { '200 v1': 100 },
    offline: 'everything is recorded in one namespace',
    says: 'AuthorizationPolicy production/deny holds for no pod: there is none in namespace production',
  },
  {
    name: 'a principal asked for without mutual TLS',
    url: RATINGS,
    manifests: [LEAST, spoiled('istio/destination-rule-all-mtls.yaml', 'ISTIO_MUTUAL', 'DISABLE')],
    question: { from: 'reviews-v2' },
    expected: { 403: 100 },
    says: 'plain text (a DestinationRule says tls mode DISABLE): ratings-v1 does not know who calls',
  },
  {
    name: 'a token that is asked for and not sent',
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
];
