import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { addressOf, explain, type Manifest, Refusal } from '@bookinfo/mesh';
import { parseAllDocuments } from 'yaml';
import { type ClusterAccess, defineExercise, eventually, Finding, hold } from '../check/exercise.ts';
import { openPods } from '../check/pods.ts';
import { type Answer, isBelow, type Services } from '../check/services.ts';
import { openShop, type Shop } from '../check/shop.ts';

const LIST = '/api/v1/products';

/** What productpage answers before anything has moved, byte for byte. */
const ORIGINAL = JSON.stringify([
  {
    id: 0,
    title: 'The Comedy of Errors',
    descriptionHtml:
      'Two sets of identical twins, parted by a shipwreck, walk through the same town on the same day, and everyone mistakes ' +
      'everyone for somebody else. <em>The Comedy of Errors</em> is the shortest play of William Shakespeare and one of his first: ' +
      'a farce about what happens when a message reaches the wrong one of two that look alike.',
  },
]);
/** What nobody but a link says. */
const RECOGNISABLE = [{ id: 0, title: 'Said by the link', descriptionHtml: 'Not in any list.' }];
const NOT_LOOKED_AT = 'the answer is used without a look at answer.ok';
/** At least so many while the list moves in a cluster. */
const SWITCH_REQUESTS = 300;
/** Beyond the 3 s that productpage waits for any backend. */
const TOO_LATE_MS = 8000;

const told = ({ status, text }: Answer): string => (status === 200 ? text : `${status} ${text}`);
const listOf = async (services: Services, service: string): Promise<string> => told(await services.ask(service, LIST));

const BACKENDS = 'services/productpage/src/backends.ts and routes/api.ts';

const RULE = 'istio/virtual-service-catalog.yaml';
const WAY_IN = 'istio/bookinfo-gateway.yaml';
/** Longer than what is applied takes to the gateway. */
const ARRIVAL_MS = 30_000;

/** Who answers a path at the gateway, by the files of the tree: `catalog-v1`, or what answers in a workload's place. */
function answersAtTheGateway(tree: string): (method: string, path: string) => string {
  const read = (file: string): Manifest[] =>
    parseAllDocuments(readFileSync(join(tree, file), 'utf8')).flatMap((it) => (it.toJS() as Manifest | null) ?? []);
  hold(existsSync(join(tree, RULE)), {
    expected: `the file ${RULE}`,
    seen: 'there is none',
    look: WAY_IN,
  });
  const deployed = read('k8s/bookinfo.yaml');
  // Where the flat files do not have it yet, catalog is deployed as details is.
  const details = deployed.filter(({ metadata }) => /^(bookinfo-)?details(-v1)?$/.test(metadata?.name ?? ''));
  const catalog = JSON.parse(JSON.stringify(details).replaceAll('details', 'catalog')) as Manifest[];
  const others = deployed.filter(({ metadata }) => !/catalog/.test(metadata?.name ?? ''));
  const manifests = [...others, ...catalog, ...read(WAY_IN), ...read(RULE)];
  return (method, path) => {
    try {
      const request = {
        ...addressOf(new URL(`http://localhost${path}`)),
        method,
        headers: {},
        from: 'ingress',
        now: 0,
      };
      const { outcomes } = explain(manifests, request);
      return [...new Set(outcomes.map(({ by, status }) => (status === 404 ? `${by}: 404` : by)))].join(', ');
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      throw new Finding({ expected: 'rules that Istio knows', seen: error.problems.join('\n'), look: RULE });
    }
  };
}

/** The paths that stay where they are. */
const OTHERS = [
  ['GET', `${LIST}/0`],
  ['GET', `${LIST}/0/reviews`],
  ['GET', '/productpage'],
  ['GET', '/static/style.css'],
  ['POST', '/login'],
] as const;
const TAKES_MORE = 'the rule takes more than the list with it, or a rule that was there before is missing';
const NOT_BOUND = 'the rule is not bound to bookinfo-gateway, or one above it matches first';
const EXPLAIN = `${RULE}; npx pnpm@12 lab explain -f ${WAY_IN} -f ${RULE} GET http://localhost${LIST}`;

interface Context extends AsyncDisposable {
  services: Services;
  /** How the way in is changed, and who answers what then. */
  gateway: {
    /** @throws {Finding} unless the list is answered by catalog with the rule, and nobody who asks meanwhile is without it */
    change(): Promise<void>;
    /** Who answers with the rule. */
    who(method: string, path: string): Promise<string>;
  };
}

interface Offline extends Context {
  services: Shop;
}

/** Who has answered in a cluster; undefined for a proxy. */
const workloadOf = ({ headers }: Answer): string | undefined =>
  headers.get('x-pod-name')?.replace(/(-[a-z0-9]+){2}$/, '');

/** Waits until the gateway has dropped a rule that the student has applied. */
async function untilOnlyTheWayIn(services: Services): Promise<void> {
  let seen: string | undefined;
  await eventually(
    async () => {
      seen = workloadOf(await services.ask('the gateway', LIST));
      return seen === 'productpage-v1' || undefined;
    },
    () => ({
      expected: `with ${WAY_IN} alone, GET ${LIST} is answered by productpage-v1`,
      seen: seen ?? 'no service',
      cause: 'another VirtualService takes it',
      look: 'kubectl get virtualservices',
    }),
    ARRIVAL_MS,
  );
}

/** At the gateway of a cluster: the rule comes and goes while the list is asked for. */
function gatewayOf(tree: string, services: Services, { kubectl }: ClusterAccess): Context['gateway'] {
  const route = (file: string) => kubectl('apply', `--filename=${join(tree, file)}`);
  return {
    async change() {
      const lists: Answer[] = [];
      const ask = async (times: number) => {
        for (let i = 0; i < times; i++) lists.push(await services.ask('the gateway', LIST));
      };
      const askUntil = (workload: string) =>
        eventually(
          async () => {
            await ask(1);
            return workloadOf(lists.at(-1) as Answer) === workload || undefined;
          },
          () => ({
            expected: `GET ${LIST} is answered by ${workload}`,
            seen: `${workloadOf(lists.at(-1) as Answer) ?? told(lists.at(-1) as Answer)}`,
            cause: NOT_BOUND,
            look: EXPLAIN,
          }),
          ARRIVAL_MS,
        );
      await ask(SWITCH_REQUESTS / 3);
      await route(RULE);
      await askUntil('catalog-v1');
      await ask(SWITCH_REQUESTS / 3);
      await route(WAY_IN);
      await askUntil('productpage-v1');
      await ask(SWITCH_REQUESTS / 3);
      const others = lists.map(told).filter((it) => it !== ORIGINAL);
      hold(others.length === 0, {
        expected: `the same list ${lists.length} times, while it moves to catalog and back`,
        seen: `${others.length} times another answer: ${others[0]?.slice(0, 200)}`,
        look: EXPLAIN,
      });
      await route(RULE);
      await askUntil('catalog-v1');
    },
    async who(method, path) {
      const answer = await services.ask('the gateway', path, { method });
      const workload = workloadOf(answer) ?? 'the gateway';
      return answer.status === 404 ? `${workload}: 404` : workload;
    },
  };
}

/** As the model of the mesh sees the files. */
function modelOf(tree: string): Context['gateway'] {
  const who = async (method: string, path: string) => answersAtTheGateway(tree)(method, path);
  return {
    who,
    async change() {
      const seen = await who('GET', LIST);
      hold(seen === 'catalog-v1', {
        expected: `GET ${LIST} is answered by catalog-v1`,
        seen,
        cause: NOT_BOUND,
        look: EXPLAIN,
      });
    },
  };
}

export default defineExercise<Context, Offline>({
  title: { en: 'The list of products leaves the page', ko: '상품 목록이 페이지에서 떨어져 나옵니다' },
  day: 1,
  minutes: 60,
  services: { catalog: {} },
  async open(tree, { signal }) {
    const services = await openShop(tree, signal, async (it) => {
      await Promise.all(['productpage-v1', 'details-v1', 'reviews-v1', 'catalog-v1'].map((name) => it.start(name)));
    });
    return { services, gateway: modelOf(tree), [Symbol.asyncDispose]: () => services[Symbol.asyncDispose]() };
  },
  async openInCluster(tree, { signal, cluster }) {
    const wayIn = () => cluster.kubectl('apply', `--filename=${join(tree, WAY_IN)}`);
    const services = await openPods(cluster, { workloads: ['productpage-v1', 'catalog-v1'], signal });
    await wayIn();
    await untilOnlyTheWayIn(services);
    return {
      services,
      gateway: gatewayOf(tree, services, cluster),
      async [Symbol.asyncDispose]() {
        await wayIn();
        await services[Symbol.asyncDispose]();
      },
    };
  },
  questions: [
    {
      name: 'catalog answers what productpage always has, byte for byte',
      offline: 'nobody is let in to catalog yet; what it answers is seen when the list has moved',
      async ask({ services: shop }) {
        const seen = await listOf(shop, 'catalog');
        hold(seen === ORIGINAL, {
          expected: `GET ${LIST} of catalog answers ${ORIGINAL.slice(0, 60)}…`,
          seen: seen.slice(0, 200),
          cause: 'clients of the old list must not notice that it has moved',
          look: 'services/catalog/src/app.ts',
        });
      },
    },
    {
      name: 'productpage passes on what catalog says',
      hint: 2,
      offline: 'a rule of the mesh cannot change an answer',
      async ask({ services: shop }) {
        const link = shop.link('productpage', 'catalog');
        link.fate = () => ({ status: 200, body: RECOGNISABLE });
        const seen = await listOf(shop, 'productpage');
        link.fate = () => 'pass';
        hold(link.passed.length > 0, {
          expected: `productpage asks catalog when it is asked for ${LIST}`,
          seen: 'catalog was not asked',
          cause: 'the list still comes from productpage itself',
          look: BACKENDS,
        });
        hold(seen === JSON.stringify(RECOGNISABLE), {
          expected: 'the answer of catalog, as it is',
          seen: seen.slice(0, 200),
          look: BACKENDS,
        });
      },
    },
    {
      name: 'one trace goes through both',
      hint: 2,
      async ask({ services }) {
        const { traceId } = await services.ask('productpage', LIST);
        await services.trace(traceId, 'one trace, in which productpage calls catalog', (spans) => {
          const server = spans.find((it) => it.resource['service.name'] === 'catalog' && it.kind === 2);
          return isBelow(spans, 'productpage', server);
        });
      },
    },
    {
      name: 'a catalog that fails does not reach the client',
      hint: 3,
      async ask({ services }) {
        const seen = await services.disturb('catalog', { status: 503 }, () => listOf(services, 'productpage'));
        hold(seen === ORIGINAL, {
          expected: 'the old list while catalog answers 503',
          seen: seen.slice(0, 200),
          cause: NOT_LOOKED_AT,
          look: BACKENDS,
        });
      },
    },
    {
      name: 'a catalog that answers nonsense does not reach the client',
      hint: 3,
      offline: 'a rule of the mesh cannot change an answer',
      async ask({ services: shop }) {
        const link = shop.link('productpage', 'catalog');
        link.fate = () => ({ status: 200, body: { oops: true } });
        const seen = await listOf(shop, 'productpage');
        link.fate = () => 'pass';
        hold(seen === ORIGINAL, {
          expected: 'the old list while catalog answers {"oops":true}',
          seen: seen.slice(0, 200),
          cause: NOT_LOOKED_AT,
          look: BACKENDS,
        });
      },
    },
    {
      name: 'a slow catalog does not keep the client waiting',
      hint: 3,
      offline: 'whether productpage waited to the end is seen on the way between the two',
      async ask({ services: shop }) {
        const link = shop.link('productpage', 'catalog');
        link.passed.length = 0;
        link.fate = () => ({ delayMs: TOO_LATE_MS });
        const seen = await listOf(shop, 'productpage');
        link.fate = () => 'pass';
        const waited = link.passed.some(({ status }) => status !== undefined);
        hold(!waited && seen === ORIGINAL, {
          expected: `the old list, without catalog's answer that takes ${TOO_LATE_MS / 1000} s`,
          seen: waited ? "productpage waited for catalog's late answer" : seen.slice(0, 200),
          cause: 'timeoutMs is more than the 3 s that the page has for any backend',
          look: BACKENDS,
        });
      },
    },
    {
      name: 'without catalog, the list and the page are there all the same',
      hint: 3,
      async ask({ services }) {
        const [seen, page] = await services.without(
          'catalog-v1',
          async () =>
            [await listOf(services, 'productpage'), await services.ask('productpage', '/productpage')] as const,
        );
        hold(seen === ORIGINAL, {
          expected: 'the old list while catalog is stopped',
          seen: seen.slice(0, 200),
          cause: 'there is no fallback',
          look: BACKENDS,
        });
        hold(page.status === 200 && page.text.includes('The Comedy of Errors'), {
          expected: 'the product page with its title while catalog is stopped',
          seen: `${page.status}`,
          look: 'services/productpage/src/routes/pages.ts',
        });
      },
    },
    {
      name: 'the gateway sends the list to catalog, and everything else to productpage',
      async ask({ gateway }) {
        await gateway.change();
        for (const [method, path] of OTHERS) {
          const seen = await gateway.who(method, path);
          hold(seen === 'productpage-v1', {
            expected: `${method} ${path} is answered by productpage-v1`,
            seen,
            cause: TAKES_MORE,
            look: RULE,
          });
        }
      },
    },
  ],
  refused: {
    start: 'catalog-v1 among the workloads',
    wrong: {
      'other-shape': 'clients of the old list must not notice',
      'asks-nobody': 'catalog was not asked',
      'no-fallback': 'without a look at answer.ok',
      patient: "waited for catalog's late answer",
      prefix: 'takes more than the list with it',
      'no-gateway': 'not bound to bookinfo-gateway',
    },
    inCluster: {
      start: 'the Deployment catalog-v1 in the cluster',
      'asks-nobody': 'in which productpage calls catalog',
      'other-shape': 'the same list',
      'no-fallback': 'without a look at answer.ok',
      prefix: 'takes more than the list with it',
    },
  },
});
