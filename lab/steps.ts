/**
 * The steps of docs/lab.md, with what is true after each. The course day's test (test/cluster) goes through them and asks
 * the same; `npx pnpm@12 lab check` asks a student's cluster.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { flat, type Manifest } from '@bookinfo/mesh';
import { bad, type Check, call, good, nothingAt, page, ruled, whyPage } from './checks.ts';
import { Obstacle } from './obstacle.ts';
import { hasSidecar, isReady, type Pod, podsIn, troubleOf, Workload } from './pods.ts';
import { OUTSIDER, type Shop } from './shop.ts';
import { gaps, jaegerOf, traceById } from './trace.ts';
import { content, count, listed, pageVersion, status, traceOf } from './visitor.ts';

export interface Step {
  /** As in the guide: Lab 2, step 3 is `2.3`. */
  id: string;
  title: string;
  /** What stays true all day. */
  lasting?: Check[];
  /** The states that it goes through; the next step may put an end to them. */
  moments: Moment[];
}

export interface Moment {
  name: string;
  /** It is this moment when all that is declared fits. */
  checks: Check[];
  /** While it lasts, pages tell nothing about other steps. */
  alone?: true;
}

/** What is asked in a step, or in one of its moments. */
export function momentOf(id: string, name?: string): Moment {
  const step = STEPS.find((it) => it.id === id);
  const moment =
    name === undefined ? { name: '', checks: step?.lasting ?? [] } : step?.moments.find((it) => it.name === name);
  if (!moment) throw new Error(`no moment ${name} in step ${id}`);
  return moment;
}

/** Whether the rules of a cluster are those of a moment. */
export const isDeclared = (shop: Shop, { checks }: Moment): boolean =>
  checks.every((it) => it.declared?.(shop) ?? true);

const SHOP = ['productpage-v1', 'details-v1', 'reviews-v1', 'reviews-v2', 'reviews-v3', 'ratings-v1'];
const PAGE = 'http://localhost/productpage';

interface Running {
  namespace?: string;
  /** What brings them. */
  by: string;
}

/** Workloads whose pods are all ready; in the namespace of the shop each with its sidecar. */
function running(names: string[], { namespace = 'default', by }: Running): Check {
  const meshed = namespace === 'default';
  const shortOf = (shop: Shop, all: Pod[]) =>
    names.map(async (name) => {
      const own = all.filter(({ metadata }) => metadata.name.startsWith(`${name}-`));
      if (own.length === 0) return noPods(shop, name, namespace, by);
      const waiting = own.find((it) => !isReady(it));
      const { cause, look } = (waiting && troubleOf(waiting)) ?? {};
      if (cause && look) return { what: `${name} is not ready`, cause: `${name}: ${cause}`, look };
      return meshed && !own.every(hasSidecar) ? withoutSidecar(shop, name, own) : undefined;
    });
  return {
    wanted: `${names.length === 1 ? `${names[0]} runs` : `${names.length} workloads run`}${meshed ? ', with sidecars' : ''}`,
    async ask(shop) {
      const all = await podsIn(shop.cluster, namespace);
      const short = (await Promise.all(shortOf(shop, all))).filter((it) => it !== undefined);
      const [first] = short;
      if (!first) return good(names.join(', '));
      return bad(
        short.map(({ what }) => what).join('; '),
        [...new Set(short.map(({ cause }) => cause))].slice(0, 3),
        first.look,
      );
    },
  };
}

async function noPods({ cluster }: Shop, name: string, namespace: string, by: string) {
  const what = `${name} is missing`;
  const here = `--namespace=${namespace}`;
  const kind = (await cluster.has('deployment', name, here)) ? 'deployment' : 'statefulset';
  if (!(await cluster.has(kind, name, here))) return { what, cause: `there is no Deployment ${name}`, look: by };
  const { status } = await cluster.get(Workload, kind, name, here);
  const failure = status.conditions?.find((it) => it.type === 'ReplicaFailure' && it.status === 'True')?.message;
  const cause = failure ? `its pods are refused: ${failure}` : `${name} has no pods`;
  return { what, cause, look: `kubectl ${here} describe ${kind} ${name}` };
}

async function withoutSidecar(shop: Shop, name: string, own: Pod[]) {
  const what = `${name} has no sidecar`;
  const wish = own.some(({ metadata }) => metadata.labels?.['sidecar.istio.io/inject'] === 'false');
  const look = `kubectl rollout restart deployment ${name}`;
  if (wish) return { what, cause: `${name}: its label sidecar.istio.io/inject is false`, look };
  if (await isInjected(shop)) return { what, cause: `${name}: its pod is older than the label of the namespace`, look };
  return { what, cause: 'the namespace default has no label istio-injection=enabled', look: `${LABEL}, then ${look}` };
}

const LABEL = 'kubectl label namespace default istio-injection=enabled';
const isInjected = ({ cluster }: Shop): Promise<boolean> =>
  cluster.has('namespaces', '--selector=istio-injection=enabled', '--field-selector=metadata.name=default');

const INJECTION: Check = {
  wanted: 'new pods in default get a sidecar',
  ask: async (shop) =>
    (await isInjected(shop))
      ? good('istio-injection=enabled')
      : bad('no', ['the namespace has no label istio-injection=enabled'], LABEL),
};

/** Rate limit or not, it is the page that comes. */
const OPEN: Check = {
  wanted: 'the page comes in through the gateway',
  async ask(shop) {
    const look = `npx pnpm@12 lab explain GET ${PAGE}`;
    const why = () => whyPage(shop, { url: PAGE }, pageVersion);
    if (shop.entrance instanceof Obstacle) return bad(shop.entrance.problem, why(), shop.entrance.next);
    const pages = await shop.visitor.ask(12);
    const counts = count(pages.map((it) => (isLimited(it.headers) ? 'productpage, limited' : pageVersion(it))));
    const strange = Object.keys(counts).filter((kind) => !kind.startsWith('productpage'));
    if (strange.length === 0) return good(shop.visitor.url);
    return bad(
      `${strange.map((kind) => `${counts[kind]} of 12 pages: ${kind}`).join('; ')} at ${shop.visitor.url}`,
      why(),
      look,
    );
  },
};

const isLimited = (headers: Record<string, unknown>): boolean => headers['x-local-rate-limit'] === 'true';

/** As long as spans may take from a sidecar to Jaeger, and more. */
const TRACE_SECONDS = 20;

const TRACED: Check = {
  wanted: 'the trace of a page is whole in Jaeger',
  async ask(shop) {
    const jaeger = await jaegerOf(shop.cluster);
    const look = 'npx pnpm@12 lab trace';
    const id = traceOf(await shop.visitor.get());
    if (!id) return bad('the page names no trace', ['Istio was installed without istio/mesh-config.yaml'], look);
    let missing: string[] = [];
    for (const until = Date.now() + TRACE_SECONDS * 1000; Date.now() < until; await sleep(500)) {
      missing = gaps(await traceById(jaeger, id));
      if (missing.length === 0) return good(id);
    }
    return bad(`trace ${id} is not`, missing, `${look} ${id}`);
  },
};

const optional = (name: string, by: string): Check => {
  const check = running([name], { namespace: 'istio-system', by });
  const ask: Check['ask'] = async (shop) =>
    (await shop.cluster.has('deployment', name, '--namespace=istio-system')) ? check.ask(shop) : good('left out');
  return { wanted: `${check.wanted}, or is left out`, ask };
};

/** A copy of what v1 answers gets to v3. */
const MIRRORED: Check = {
  ...ruled(
    'reviews v3 gets a copy of each request',
    { from: 'productpage-v1', url: 'http://reviews:9080/reviews/0' },
    /^mirror: .* of the requests go to reviews( v3|-v3\.)/,
    'npx pnpm@12 lab explain --from productpage-v1 GET http://reviews:9080/reviews/0',
  ),
  async ask({ visitor, cluster }) {
    const look = 'kubectl logs deployment/reviews-v3 --container=reviews --tail=1';
    const trace = traceOf(await visitor.get());
    if (!trace) return bad('the page names no trace to look for', [], look);
    for (const until = Date.now() + TRACE_SECONDS * 1000; Date.now() < until; await sleep(500)) {
      const log = ['logs', 'deployment/reviews-v3', '--container=reviews', '--since=2m'];
      if ((await cluster.kubectl(log)).includes(trace))
        return good('its log has the request of a page that v1 answered');
    }
    return bad('its log does not have the request of a page', ['no mirror in VirtualService reviews'], look);
  },
};

const BREAKER: Check = {
  ...ruled(
    'of 60 requests at once for reviews some are answered 503 at once, one at a time none',
    { from: 'productpage-v1', url: 'http://reviews:9080/reviews/0' },
    /^connection pool: .*http1MaxPendingRequests/,
    'kubectl get destinationrule reviews --output=yaml',
  ),
  async ask(shop) {
    const reviews = { path: '/api/v1/products/0/reviews' };
    const crowd = await shop.visitor.tally(240, status, reviews, 60);
    const single = await shop.visitor.tally(12, status, reviews, 1);
    const found = `60 at once: ${listed(crowd)}; one at a time: ${listed(single)}`;
    const answered = single[200] === 12;
    if (answered && crowd[200] && crowd[503]) return good(found);
    if (!answered) {
      const silent = Object.keys(single).join() === 'no answer';
      const causes = silent ? [nothingAt(shop)] : whyPage(shop, { url: PAGE }, content);
      return bad(found, causes, `npx pnpm@12 lab explain GET ${PAGE}`);
    }
    return bad(
      found,
      ['no connectionPool in DestinationRule reviews, or too wide'],
      'kubectl get destinationrule reviews --output=yaml',
    );
  },
};

const limits = (shop: Shop): boolean =>
  flat(shop.explain({ url: PAGE })?.steps ?? []).some(({ text }) => text.includes('may answer 429: productpage'));

const LIMIT: Check = {
  wanted: 'more than ten pages a minute are answered 429',
  // A filter that selects nobody is of this step, too: somebody has just mistyped it.
  declared: (shop) =>
    limits(shop) ||
    shop.manifests.some(({ kind, metadata }) => kind === 'EnvoyFilter' && metadata?.name === 'productpage-ratelimit'),
  async ask(shop) {
    const pages = await shop.visitor.ask(20, {}, 1);
    const limited = pages.filter(({ headers, status }) => status === 429 && isLimited(headers)).length;
    const found = `${limited} of 20 answered 429`;
    if (limited >= 10) return good(found);
    const cause = limits(shop)
      ? 'rules take up to a minute to hold on connections that are open'
      : 'no EnvoyFilter with a rate limit holds for productpage';
    return bad(found, [cause], 'kubectl get envoyfilters --output=yaml');
  },
};

const RESTARTED: Check = {
  wanted: 'every pod of the shop comes from a rollout restart',
  declared: ({ manifests }) => notRestarted(manifests).length === 0,
  async ask({ manifests }) {
    const left = notRestarted(manifests);
    if (left.length === 0) return good('all');
    return bad(`not ${left.join(', ')}`, ['no kubectl rollout restart yet'], 'kubectl rollout restart deployment');
  },
};

const notRestarted = (manifests: readonly Manifest[]): string[] =>
  SHOP.filter((name) => {
    const own = manifests.filter(({ kind, metadata }) => kind === 'Pod' && metadata?.name?.startsWith(`${name}-`));
    return !own.some(({ metadata }) => metadata?.annotations?.['kubectl.kubernetes.io/restartedAt']);
  });

const gone = (what: string, ...query: string[]): Check => ({
  wanted: `no ${what}`,
  declared: ({ meshed }) => !meshed,
  async ask({ cluster }) {
    const left = (await cluster.kubectl(['get', ...query, '--ignore-not-found', '--output=name'])).trim();
    return left === '' ? good('none') : bad(left.replaceAll('\n', ', '), [], 'docs/lab.md, "Clean up"');
  },
});

const everybody = {};
const jason = { user: 'jason' };
const one = (kind: string) => ({ [kind]: 1 });
const third = 1 / 3;
const TURNS = page(
  everybody,
  { 'v1, no stars': third, 'v2, black stars': third, 'v3, red stars': third },
  { anyShares: true },
);
const addon = (name: string): Running & { namespace: string } => ({
  namespace: 'istio-system',
  by: `kubectl apply -f istio/addons/${name}.yaml`,
});

export const STEPS: readonly Step[] = [
  {
    id: '1.1',
    title: 'Install Istio',
    lasting: [
      running(['istiod', 'istio-ingressgateway', 'istio-egressgateway'], {
        namespace: 'istio-system',
        by: 'istioctl install -f istio/mesh-config.yaml -y',
      }),
      INJECTION,
    ],
    moments: [],
  },
  {
    id: '1.2',
    title: 'Deploy Bookinfo',
    lasting: [
      running(SHOP, { by: 'kubectl apply -f k8s/bookinfo.yaml' }),
      call('productpage-v1', 'details:9080/details/0', '200'),
    ],
    moments: [],
  },
  {
    id: '1.3',
    title: 'Open the gateway',
    lasting: [OPEN],
    moments: [{ name: 'no rules', checks: [TURNS] }],
  },
  {
    id: '1.4',
    title: 'See it',
    lasting: [
      TRACED,
      running(['prometheus'], addon('prometheus')),
      optional('kiali', addon('kiali').by),
      optional('grafana', addon('grafana').by),
    ],
    moments: [],
  },
  {
    id: '2.1',
    title: 'One version for everybody',
    moments: [{ name: 'version 1', checks: [page(everybody, one('v1, no stars')), page(jason, one('v1, no stars'))] }],
  },
  {
    id: '2.2',
    title: 'A canary',
    moments: [
      {
        name: 'four to one, and jason',
        checks: [page(jason, one('v2, black stars')), page(everybody, { 'v1, no stars': 0.8, 'v2, black stars': 0.2 })],
      },
      { name: 'half and half', checks: [page(everybody, { 'v1, no stars': 0.5, 'v3, red stars': 0.5 })] },
      { name: 'version 3', checks: [page(everybody, one('v3, red stars')), page(jason, one('v3, red stars'))] },
    ],
  },
  {
    id: '2.3',
    title: 'A canary of the page, by header',
    moments: [
      {
        name: 'by header',
        checks: [
          page({ headers: { canary: 'true' } }, one('productpage v2'), { look: pageVersion }),
          page(everybody, { 'productpage v1': 0.95, 'productpage v2': 0.05 }, { look: pageVersion }),
          call('ratings-v1', 'productpage:9080/productpage', '200'),
        ],
      },
    ],
  },
  {
    id: '2.4',
    title: 'Faults, and a bug made of two timeouts',
    moments: [
      {
        name: 'delay',
        checks: [
          page(jason, one('no reviews'), { seconds: [5.5, 8] }),
          page(everybody, one('v1, no stars'), { seconds: [0, 3] }),
        ],
      },
      {
        name: 'delay, with the fix',
        checks: [page(jason, one('v3, no ratings'), { seconds: [2.4, 4] }), page(everybody, one('v3, red stars'))],
      },
      { name: 'error', checks: [page(jason, one('v2, no ratings')), page(everybody, one('v1, no stars'))] },
      { name: 'timeout', checks: [page(everybody, one('no reviews'), { seconds: [0.9, 3] })] },
    ],
  },
  {
    id: '2.5',
    title: 'Retries and mirroring',
    moments: [
      {
        name: 'without retries',
        checks: [page(everybody, { 'v3, red stars': 0.75, 'v3, no ratings': 0.25 }, { anyShares: true })],
      },
      {
        name: 'retries',
        checks: [
          ruled(
            'a call to ratings is tried again, up to three times',
            { from: 'reviews-v3', url: 'http://ratings:9080/ratings/0' },
            /^retries: up to 3, on 5xx/,
            'npx pnpm@12 lab explain --from reviews-v3 GET http://ratings:9080/ratings/0',
          ),
          ruled(
            'one of the pods of ratings is faulty',
            { from: 'reviews-v3', url: 'http://ratings:9080/ratings/0' },
            /^to ratings-v-faulty$/,
            'kubectl apply -f k8s/ratings-v-faulty.yaml',
          ),
          page(everybody, one('v3, red stars')),
        ],
      },
      { name: 'mirroring', checks: [MIRRORED, page(everybody, one('v1, no stars'))] },
    ],
  },
  {
    id: '2.6',
    title: 'Circuit breaker and rate limit',
    moments: [
      { name: 'circuit breaker', checks: [BREAKER] },
      { name: 'rate limit', checks: [LIMIT], alone: true },
    ],
  },
  {
    id: '3.1',
    title: 'mTLS',
    moments: [
      {
        name: 'STRICT',
        checks: [
          call(OUTSIDER, 'productpage:9080/productpage', 'no answer'),
          call('productpage-v1', 'details:9080/details/0', '200'),
        ],
      },
    ],
  },
  {
    id: '3.2',
    title: 'Who may do what',
    moments: [
      {
        name: 'least privilege',
        checks: [
          call('ratings-v1', 'details:9080/details/0', '403'),
          call('ratings-v1', 'reviews:9080/reviews/0', '403'),
          call('ratings-v1', 'productpage:9080/productpage', '403'),
          call('details-v1', 'ratings:9080/ratings/0', '403'),
          call('reviews-v2', 'details:9080/details/0', '403'),
          call('reviews-v2', 'ratings:9080/ratings/0', '200'),
          call('reviews-v2', 'ratings:9080/ratings/0', '403', 'POST'),
          call('productpage-v1', 'details:9080/details/0', '200'),
          call('productpage-v1', 'reviews:9080/reviews/0', '200'),
          call('productpage-v1', 'ratings:9080/ratings/0', '403'),
        ],
      },
    ],
  },
  {
    id: '3.3',
    title: 'A namespace production',
    moments: [
      {
        name: 'guarded',
        checks: [
          page({ headers: { host: 'bookinfo.production' } }, one('productpage v1'), { look: pageVersion }),
          call('ratings-v1', 'productpage.production:9080/productpage', '403'),
          call(OUTSIDER, 'productpage.production:9080/productpage', 'no answer'),
        ],
      },
    ],
  },
  { id: '4.1', title: 'Replace every pod under traffic', moments: [{ name: 'restarted', checks: [RESTARTED] }] },
  {
    id: '4.2',
    title: 'Ratings from a database',
    moments: [
      {
        name: 'MySQL',
        checks: [
          ruled(
            'ratings are asked of v2-mysql',
            { from: 'reviews-v3', url: 'http://ratings:9080/ratings/0' },
            /^ratings-v2-mysql answers 200/,
            'npx pnpm@12 lab explain --from reviews-v3 GET http://ratings:9080/ratings/0',
          ),
          running(['mysqldb-v1', 'ratings-v2-mysql'], {
            by: 'kubectl apply -f k8s/bookinfo-mysql.yaml -f k8s/bookinfo-ratings-v2-mysql.yaml',
          }),
          page(everybody, one('v3, red stars')),
        ],
      },
    ],
  },
  {
    id: '4.4',
    title: 'Clean up',
    moments: [
      {
        name: 'clean',
        checks: [
          gone('Istio', 'namespaces', '--field-selector=metadata.name=istio-system'),
          gone('namespace production', 'namespaces', '--field-selector=metadata.name=production'),
          gone(
            'workloads of the shop',
            'deployments,statefulsets',
            '--namespace=default',
            '--selector=app in (productpage, details, reviews, ratings, mysqldb)',
          ),
          gone(
            'label of the namespace',
            'namespaces',
            '--selector=istio-injection',
            '--field-selector=metadata.name=default',
          ),
        ],
      },
    ],
  },
];
