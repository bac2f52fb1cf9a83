/**
 * What is tried both on a real mesh and on the model: every lesson of istio/, the typical mistakes, and generated
 * combinations of match, weight, subset, fault and policy. All of it lives in a namespace of its own.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Manifest } from '../../src/index.ts';
import { file } from '../ask.ts';
import { FAULTS } from '../faults.ts';

export const NAMESPACE = 'mesh-model';
/** Stands for `*` and for other hosts at the shared gateway, where other people's Gateways have `*`. */
export const HOST = 'mesh-model.test';
const ROOT = join(import.meta.dirname, '../../../..');

/** Where the request comes from: a gateway, or the pod of a workload. */
export interface Probe {
  from: string;
  method: string;
  url: string;
  headers: Record<string, string>;
  user?: string;
  count: number;
}
export interface Case {
  name: string;
  /** As applied, over those of `BASE`. */
  manifests: Manifest[];
  probes: Probe[];
}

const OUTSIDER = {
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'outsider' },
  spec: {
    selector: { matchLabels: { app: 'outsider' } },
    template: {
      metadata: { labels: { app: 'outsider', 'sidecar.istio.io/inject': 'false' } },
      spec: {
        terminationGracePeriodSeconds: 0,
        containers: [
          {
            name: 'outsider',
            image: 'bookinfo-ts/ratings:1.0.0',
            imagePullPolicy: 'IfNotPresent',
            command: ['node', '-e', 'setInterval(() => {}, 1e6)'],
          },
        ],
      },
    },
  },
} satisfies Manifest;

const hosts = (names: string[] = []): string[] =>
  names.map((it) => (it === '*' || it === 'bookinfo.production' || it === 'bookinfo.com' ? HOST : it));

/** A manifest as it is applied here: in the namespace of this test, for its host. */
function placed(manifest: Manifest): Manifest {
  const text = JSON.stringify(manifest)
    .replace(/"namespace":"(production|default)"/g, `"namespace":"${NAMESPACE}"`)
    .replace(/(\/ns\/|\.)default(\/sa\/|\.svc\.)/g, `$1${NAMESPACE}$2`);
  const copy = JSON.parse(text) as Manifest & {
    spec?: { hosts?: string[]; gateways?: string[]; servers?: { hosts: string[] }[] };
  };
  const { spec } = copy;
  copy.metadata = { ...copy.metadata, namespace: copy.metadata?.namespace ?? NAMESPACE };
  if (copy.kind === 'VirtualService' && spec?.gateways) spec.hosts = hosts(spec.hosts);
  for (const server of copy.kind === 'Gateway' ? (spec?.servers ?? []) : []) server.hosts = hosts(server.hosts);
  return copy;
}

/** One request a connection, so that a new policy holds at once: an old connection keeps the old one for a while. */
function unpooled(manifest: Manifest): Manifest {
  const spec = {
    ...(manifest.spec as object),
    trafficPolicy: { connectionPool: { http: { maxRequestsPerConnection: 1 } } },
  };
  return { ...manifest, spec };
}

/** What runs and holds in every case, unless its own manifests replace it. */
export const BASE: Manifest[] = [
  ...file('k8s/bookinfo.yaml'),
  ...file('k8s/bookinfo-versions.yaml'),
  ...file('k8s/productpage-v2.yaml'),
  OUTSIDER,
  ...file('istio/bookinfo-gateway.yaml'),
  ...file('istio/destination-rule-all.yaml').map(unpooled),
  ...file('istio/gateway-api/bookinfo-gateway.yaml'),
].map(placed);

const probe = (from: string, url: string, count: number, more: Partial<Probe> = {}): Probe => ({
  from,
  method: 'GET',
  url,
  headers: {},
  count,
  ...more,
});
const PAGE = '/productpage';
const REVIEWS = 'http://reviews:9080/reviews/0';
const RATINGS = 'http://ratings:9080/ratings/0';
const DETAILS = 'http://details:9080/details/0';
const JASON = { 'end-user': 'jason' };

/** The questions of a lesson on routing or security, whatever it is about. */
const usual = (gateway: string): Probe[] => [
  probe(gateway, PAGE, 40),
  probe(gateway, PAGE, 5, { headers: { canary: 'true' } }),
  probe(gateway, '/nowhere', 2),
  probe(gateway, PAGE, 3, { method: 'DELETE' }),
  probe('productpage-v1', REVIEWS, 100),
  probe('productpage-v1', REVIEWS, 5, { headers: JASON }),
  probe('reviews-v2', RATINGS, 20),
  probe('reviews-v2', RATINGS, 3, { headers: JASON }),
  probe('reviews-v2', RATINGS, 3, { method: 'POST' }),
  probe('productpage-v1', DETAILS, 10),
  probe('ratings-v1', DETAILS, 3),
  probe('ratings-v1', 'http://productpage:9080/productpage', 20),
  probe('ratings-v1', 'http://productpage:9080/productpage', 3, { headers: { canary: 'true' } }),
  probe('outsider', RATINGS, 5),
  probe('outsider', 'http://productpage:9080/productpage', 5),
];
const signedIn = (gateway: string): Probe => probe(gateway, PAGE, 4, { user: 'jason' });

/** Not for a shared cluster, or not about requests. */
const LEFT_OUT = [
  /^(ambient|addons)\//,
  /^mesh-config/,
  /^telemetry/,
  /egress/, // asks the internet
  /^virtual-service-(details-v2|ratings-(db|mysql))/, // with databases and Google Books; without them in a case below
];

const lessonFiles = (folder: string): string[] =>
  readdirSync(join(ROOT, 'istio', folder))
    .filter((it) => it.endsWith('.yaml'))
    .map((it) => join(folder, it));

/** Lessons that need another one beside them, as their READMEs say. */
const BESIDE: Record<string, string[]> = {
  'virtual-service-ratings-test-delay.yaml': ['istio/virtual-service-reviews-test-v2.yaml'],
  'virtual-service-ratings-test-abort.yaml': ['istio/virtual-service-reviews-test-v2.yaml'],
  'virtual-service-ratings-retries.yaml': ['istio/virtual-service-reviews-v3.yaml', 'k8s/ratings-v-faulty.yaml'],
  'production/peer-authentication.yaml': ['istio/production/bookinfo-gateway.yaml'],
  'production/authorization-productpage.yaml': ['istio/production/bookinfo-gateway.yaml'],
};

function lessons(): Case[] {
  const classic = ['', 'production'].flatMap(lessonFiles).filter((it) => !LEFT_OUT.some((out) => out.test(it)));
  const gatewayApi = lessonFiles('gateway-api').filter((it) => !it.endsWith('bookinfo-gateway.yaml'));
  return [
    ...classic.map((path): Case => {
      const beside = BESIDE[path] ?? [];
      const manifests = [`istio/${path}`, ...beside].flatMap(file).map(placed);
      return { name: `istio/${path}`, manifests, probes: [...usual('ingress'), signedIn('ingress')] };
    }),
    ...gatewayApi.map((path): Case => {
      const name = `istio/${path}`;
      return { name, manifests: file(name).map(placed), probes: usual('bookinfo-gateway-istio') };
    }),
    {
      name: 'istio/authorization-least-privilege.yaml, through a Gateway of the Gateway API',
      manifests: file('istio/authorization-least-privilege.yaml').map(placed),
      probes: usual('bookinfo-gateway-istio'),
    },
    {
      name: 'nothing but the start',
      manifests: [],
      probes: [...usual('ingress'), ...usual('bookinfo-gateway-istio').slice(0, 4)],
    },
    ...['details-v2', 'ratings-db', 'ratings-mysql', 'ratings-mysql-vm'].map((name): Case => {
      const path = `istio/virtual-service-${name}.yaml`;
      return { name: path, manifests: file(path).map(placed), probes: usual('ingress') };
    }),
  ];
}

function mistakes(): Case[] {
  return FAULTS.filter(({ offline }) => !offline).map(({ name, url, manifests, question = {} }): Case => {
    const { hostname, pathname } = new URL(url);
    const { from = 'ingress', method = 'GET', headers = {}, user } = question;
    const where = hostname === 'localhost' ? pathname : url;
    const own = manifests.flatMap((it) =>
      typeof it === 'string' ? file(/\//.test(it) ? it : `istio/${it}.yaml`) : it,
    );
    return {
      name,
      manifests: own.map(placed),
      probes: [probe(from, where, 20, { method, headers, ...(user && { user }) })],
    };
  });
}

/** Mulberry32: the same sequence for the same seed, on every machine. */
function random(seed: number): <T>(choices: readonly T[]) => T {
  let state = seed;
  return (choices) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return choices[((t ^ (t >>> 14)) >>> 0) % choices.length] as (typeof choices)[number];
  };
}

const MATCHES: readonly (object[] | undefined)[] = [
  undefined,
  [{ uri: { exact: '/reviews/0' } }],
  [{ uri: { prefix: '/reviews/1' } }],
  [{ uri: { regex: '/reviews/[0-9]' } }],
  [{ uri: { regex: '/REVIEWS/.*' }, ignoreUriCase: true }],
  [{ uri: { prefix: '/REVIEWS' }, ignoreUriCase: true }],
  [{ headers: { 'end-user': { exact: 'jason' } } }],
  [{ headers: { 'end-user': { prefix: 'ja' } } }],
  [{ headers: { 'end-user': { regex: '.*son' } } }],
  [{ headers: { 'End-User': { regex: 'son' } } }],
  [{ headers: { 'end-user': {} } }],
  [{ withoutHeaders: { 'end-user': {} } }],
  [{ withoutHeaders: { 'end-user': { exact: 'jason' } } }],
  [{ headers: { canary: { exact: 'true' } } }, { uri: { exact: '/reviews/1' } }],
  [{ headers: { canary: { exact: 'true' } }, uri: { exact: '/reviews/1' } }],
  [{ method: { exact: 'POST' } }],
  [{ queryParams: { beta: { exact: 'yes' } } }],
  [{ sourceLabels: { app: 'productpage' } }],
  [{ sourceNamespace: 'elsewhere' }],
  [{ port: 80 }],
  [{ gateways: ['bookinfo-gateway'] }],
  [{ authority: { prefix: 'reviews' } }],
];
const weights = (...pairs: [string, number][]) => ({
  route: pairs.map(([subset, weight]) => ({ destination: { host: 'reviews', subset }, weight })),
});
const to = (subset?: string, port?: number) => ({
  route: [{ destination: { host: 'reviews', ...(subset && { subset }), ...(port && { port: { number: port } }) } }],
});
const abort = (value: number, httpStatus: number) => ({ fault: { abort: { httpStatus, percentage: { value } } } });
const delay = (value: number, fixedDelay: string) => ({ fault: { delay: { fixedDelay, percentage: { value } } } });
const ACTIONS: readonly object[] = [
  to('v1'),
  to('v2'),
  to('v3'),
  to(),
  to('v9'),
  to('v1', 80),
  to('v2', 9080),
  { route: [{ destination: { host: 'nobody' } }] },
  { route: [{ destination: { host: 'reviews-v3' } }] },
  { route: [{ destination: { host: `ratings.${NAMESPACE}.svc.cluster.local` } }], rewrite: { uri: '/ratings/0' } },
  weights(['v1', 70], ['v3', 30]),
  weights(['v1', 1], ['v2', 1], ['v3', 2]),
  weights(['v1', 100], ['v2', 0]),
  weights(['v1', 50], ['v9', 50]),
  { ...to('v1'), ...abort(100, 418) },
  { ...to('v1'), ...abort(40, 503) },
  { ...to('v1'), ...abort(40, 503), retries: { attempts: 3, retryOn: '5xx' } },
  { ...to('v1'), ...delay(100, '1s'), timeout: '0.5s' },
  { ...to('v1'), fault: { ...delay(100, '0.5s').fault, ...abort(50, 500).fault } },
  { redirect: { uri: '/elsewhere', authority: 'example.com' } },
  { redirect: { redirectCode: 307 } },
  { directResponse: { status: 207, body: { string: 'by the proxy' } } },
  { ...to('v2'), rewrite: { uri: '/nowhere' } },
  { ...to('v1'), rewrite: { uriRegexRewrite: { match: '^/reviews/(.*)$', rewrite: '/reviews/\\1' } } },
];

const security = (kind: string, name: string, spec: object): Manifest => ({
  apiVersion: 'security.istio.io/v1',
  kind,
  metadata: { name },
  spec,
});
const policy = (name: string, rules: object[] | undefined, action = 'ALLOW', app = 'reviews') =>
  security('AuthorizationPolicy', name, { selector: { matchLabels: { app } }, action, ...(rules && { rules }) });
const principal = (account: string, namespace = NAMESPACE) => `cluster.local/ns/${namespace}/sa/bookinfo-${account}`;
const mtls = (mode: string, more: object = {}) =>
  security('PeerAuthentication', 'default', { mtls: { mode }, ...more });
const ofReviews = { selector: { matchLabels: { app: 'reviews' } } };
const tls = (mode: string, subset = false): Manifest => ({
  apiVersion: 'networking.istio.io/v1',
  kind: 'DestinationRule',
  metadata: { name: 'reviews' },
  spec: {
    host: 'reviews',
    trafficPolicy: { connectionPool: { http: { maxRequestsPerConnection: 1 } }, ...(!subset && { tls: { mode } }) },
    subsets: ['v1', 'v2', 'v3'].map((version) => ({
      name: version,
      labels: { version },
      ...(subset && version === 'v2' && { trafficPolicy: { tls: { mode } } }),
    })),
  },
});
const POLICIES: readonly Manifest[][] = [
  [],
  [],
  [mtls('STRICT')],
  [mtls('DISABLE')],
  [mtls('STRICT'), tls('DISABLE')],
  [mtls('STRICT'), tls('DISABLE', true)],
  [mtls('DISABLE'), tls('ISTIO_MUTUAL')],
  [tls('DISABLE'), policy('page-only', [{ from: [{ source: { principals: [principal('productpage')] } }] }])],
  [
    security('PeerAuthentication', 'reviews', {
      ...ofReviews,
      mtls: { mode: 'STRICT' },
      portLevelMtls: { 9080: { mode: 'DISABLE' } },
    }),
  ],
  [mtls('STRICT'), security('PeerAuthentication', 'reviews', { ...ofReviews, mtls: { mode: 'PERMISSIVE' } })],
  [policy('nothing', undefined)],
  [policy('anything', [{}])],
  [policy('no-jason', [{ when: [{ key: 'request.headers[end-user]', values: ['jason'] }] }], 'DENY')],
  [policy('not-get', [{ to: [{ operation: { notMethods: ['GET'] } }] }], 'DENY')],
  [
    policy('page-only', [
      {
        from: [{ source: { serviceAccounts: ['bookinfo-productpage'] } }],
        to: [{ operation: { paths: ['/reviews/0'] } }],
      },
    ]),
  ],
  [policy('or', [{ from: [{ source: { namespaces: ['nowhere'] } }] }, { to: [{ operation: { paths: ['*/1'] } }] }])],
  [
    policy('port', [{ to: [{ operation: { ports: ['9080'], methods: ['GET'] } }] }]),
    policy('not-one', [{ to: [{ operation: { paths: ['/reviews/1*'] } }] }], 'DENY'),
  ],
  [policy('source', [{ when: [{ key: 'source.namespace', notValues: ['nowhere'] }] }])],
];

const QUESTIONS: Probe[] = [
  probe('productpage-v1', REVIEWS, 60),
  probe('productpage-v1', REVIEWS, 40, { headers: JASON }),
  probe('productpage-v1', 'http://reviews:9080/reviews/1?beta=yes', 10, { headers: { canary: 'true' } }),
  probe('ratings-v1', `http://reviews.${NAMESPACE}:9080/reviews/1`, 10),
  probe('productpage-v1', REVIEWS, 5, { method: 'POST', headers: JASON }),
  probe('outsider', REVIEWS, 10),
];

/** Rules and policies as chance picks them, the same every time. */
function combinations(): Case[] {
  return Array.from({ length: 72 }, (_, i): Case => {
    const pick = random(1000 + i);
    const http = Array.from({ length: pick([1, 2, 2, 3]) }, () => {
      const match = pick(MATCHES);
      return { ...(match && { match }), ...pick(ACTIONS) };
    });
    const service = {
      apiVersion: 'networking.istio.io/v1',
      kind: 'VirtualService',
      metadata: { name: 'reviews' },
      spec: {
        hosts: ['reviews'],
        ...(JSON.stringify(http).includes('bookinfo-gateway') && { gateways: ['mesh', 'bookinfo-gateway'] }),
        http,
      },
    };
    return { name: `combination ${i}`, manifests: [service, ...pick(POLICIES)].map(placed), probes: QUESTIONS };
  });
}

const PATHS: readonly (object | undefined)[] = [
  undefined,
  { path: { type: 'PathPrefix', value: '/' } },
  { path: { type: 'PathPrefix', value: '/reviews' } },
  { path: { type: 'PathPrefix', value: '/rev' } },
  { path: { type: 'Exact', value: '/reviews/0' } },
  { path: { type: 'RegularExpression', value: '/reviews/.*' } },
  { headers: [{ name: 'end-user', value: 'jason' }] },
  { path: { type: 'PathPrefix', value: '/reviews' }, headers: [{ name: 'end-user', value: 'jason' }] },
  { method: 'POST' },
  { queryParams: [{ name: 'beta', value: 'yes' }] },
];
const backends = (...pairs: [string, number?, number?][]) => ({
  backendRefs: pairs.map(([name, weight = 1, port = 9080]) => ({ name, port, weight })),
});
const BACKENDS: readonly object[] = [
  backends(['reviews-v1']),
  backends(['reviews-v2']),
  backends(['reviews-v3']),
  backends(['reviews-v1', 3], ['reviews-v3', 1]),
  backends(['reviews-v1', 0]),
  backends(['nobody']),
  backends(['reviews-v1', 1], ['nobody', 1]),
  backends(['reviews-v1', 1, 80]),
  { filters: [{ type: 'RequestRedirect', requestRedirect: { hostname: 'example.com', statusCode: 302 } }] },
  {
    filters: [
      { type: 'URLRewrite', urlRewrite: { path: { type: 'ReplacePrefixMatch', replacePrefixMatch: '/reviews' } } },
    ],
    ...backends(['reviews-v2']),
  },
];

function routeCombinations(): Case[] {
  return Array.from({ length: 16 }, (_, i): Case => {
    const pick = random(5000 + i);
    const rules = Array.from({ length: pick([1, 2, 3]) }, () => {
      const action = pick(BACKENDS);
      const prefixed = 'filters' in action ? PATHS.slice(2, 3) : PATHS;
      const match = pick(prefixed);
      return { ...(match && { matches: [match] }), ...action };
    });
    const httpRoute = {
      apiVersion: 'gateway.networking.k8s.io/v1',
      kind: 'HTTPRoute',
      metadata: { name: 'reviews' },
      spec: { parentRefs: [{ group: '', kind: 'Service', name: 'reviews', port: 9080 }], rules },
    };
    return { name: `HTTPRoute combination ${i}`, manifests: [placed(httpRoute)], probes: QUESTIONS };
  });
}

const object = (group: string, kind: string, name: string, spec: object): Manifest => ({
  apiVersion: `${group}/v1`,
  kind,
  metadata: { name },
  spec,
});
const reviewsRoute = (http: object[], more: object = {}) =>
  object('networking.istio.io', 'VirtualService', 'reviews', { hosts: ['reviews'], http, ...more });
const gateway = (host: string, more: object = {}) =>
  object('networking.istio.io', 'Gateway', 'bookinfo-gateway', {
    selector: { istio: 'ingressgateway' },
    servers: [{ port: { number: 8080, name: 'http', protocol: 'HTTP' }, hosts: [host], ...more }],
  });
const pageRoute = (parent: object, rule: object = {}) =>
  object('gateway.networking.k8s.io', 'HTTPRoute', 'bookinfo', {
    parentRefs: [{ name: 'bookinfo-gateway', ...parent }],
    rules: [{ backendRefs: [{ name: 'productpage', port: 9080 }], ...rule }],
  });
const FROM_OUTSIDE = [probe('ingress', PAGE, 10)];
const FROM_OTHER_GATEWAY = [probe('bookinfo-gateway-istio', PAGE, 10), probe('bookinfo-gateway-istio', '/other', 3)];
const [TOKENS] = file('istio/canary-by-token.yaml');
const TOKENS_OF_REVIEWS = security('RequestAuthentication', 'reviews', { ...(TOKENS?.spec as object), ...ofReviews });
const WITH_TOKEN = [
  ...QUESTIONS,
  probe('productpage-v1', REVIEWS, 5, {
    headers: { authorization: `Bearer ${readFileSync(join(ROOT, 'istio/tester.jwt'), 'utf8').trim()}` },
  }),
];

/** Fields that neither a lesson nor a combination has. */
const FIELDS: [name: string, manifests: Manifest[], probes?: Probe[]][] = [
  ['notPrincipals', [policy('x', [{ from: [{ source: { notPrincipals: [principal('productpage')] } }] }])]],
  ['notNamespaces', [policy('x', [{ from: [{ source: { notNamespaces: [NAMESPACE] } }] }], 'DENY')]],
  ['notServiceAccounts', [policy('x', [{ from: [{ source: { notServiceAccounts: ['bookinfo-ratings'] } }] }])]],
  ['notPaths', [policy('x', [{ to: [{ operation: { notPaths: ['/reviews/1'] } }] }])]],
  ['notPorts', [policy('x', [{ to: [{ operation: { notPorts: ['9080'] } }] }])]],
  [
    'notRequestPrincipals',
    [TOKENS_OF_REVIEWS, policy('x', [{ from: [{ source: { notRequestPrincipals: ['*'] } }] }], 'DENY')],
    WITH_TOKEN,
  ],
  [
    'request.auth.claims',
    [TOKENS_OF_REVIEWS, policy('x', [{ when: [{ key: 'request.auth.claims[group]', values: ['testers'] }] }])],
    WITH_TOKEN,
  ],
  ['AUDIT', [policy('x', [{}], 'AUDIT')]],
  ['exportTo of another namespace', [reviewsRoute([to('v3')], { exportTo: ['istio-system'] })]],
  ['exportTo of its own namespace', [reviewsRoute([to('v3')], { exportTo: ['.'] })]],
  ['mirrors', [reviewsRoute([{ ...to('v1'), mirrors: [{ destination: { host: 'reviews', subset: 'v3' } }] }])]],
  [
    'portLevelSettings',
    [
      mtls('STRICT'),
      object('networking.istio.io', 'DestinationRule', 'reviews', {
        host: 'reviews',
        trafficPolicy: {
          tls: { mode: 'ISTIO_MUTUAL' },
          portLevelSettings: [{ port: { number: 9080 }, tls: { mode: 'DISABLE' } }],
        },
      }),
    ],
  ],
  ['a host of the own namespace', [gateway(`./${HOST}`)], FROM_OUTSIDE],
  ['httpsRedirect', [gateway(HOST, { tls: { httpsRedirect: true } })], FROM_OUTSIDE],
  ['a section that is there', [pageRoute({ sectionName: 'http' })], FROM_OTHER_GATEWAY],
  ['a section that is not', [pageRoute({ sectionName: 'https' })], FROM_OTHER_GATEWAY],
  [
    'ReplaceFullPath',
    [
      pageRoute(
        {},
        {
          filters: [
            { type: 'URLRewrite', urlRewrite: { path: { type: 'ReplaceFullPath', replaceFullPath: '/productpage' } } },
          ],
        },
      ),
    ],
    FROM_OTHER_GATEWAY,
  ],
];
const fields = (): Case[] =>
  FIELDS.map(([name, manifests, probes = QUESTIONS]) => ({
    name: `field: ${name}`,
    manifests: manifests.map(placed),
    probes,
  }));

export const CASES: Case[] = [...lessons(), ...mistakes(), ...combinations(), ...routeCombinations(), ...fields()];
