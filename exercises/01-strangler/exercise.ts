import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { addressOf, explain, type Manifest, Refusal } from '@bookinfo/mesh';
import { parseAllDocuments } from 'yaml';
import { defineExercise, Finding, hold } from '../check/exercise.ts';
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
/** Beyond the 3 s that productpage waits for any backend. */
const TOO_LATE_MS = 8000;

const listOf = async (shop: Shop, service: string): Promise<string> => {
  const { status, text } = await shop.ask(service, LIST);
  return status === 200 ? text : `${status} ${text}`;
};

const BACKENDS = 'services/productpage/src/backends.ts and routes/api.ts';

const RULE = 'istio/virtual-service-catalog.yaml';

/** Who answers a path at the gateway, by the files of the tree: `catalog-v1`, or what answers in a workload's place. */
function answersAtTheGateway(tree: string): (method: string, path: string) => string {
  const read = (file: string): Manifest[] =>
    parseAllDocuments(readFileSync(join(tree, file), 'utf8')).flatMap((it) => (it.toJS() as Manifest | null) ?? []);
  hold(existsSync(join(tree, RULE)), {
    expected: `the file ${RULE}`,
    seen: 'there is none',
    look: 'istio/bookinfo-gateway.yaml',
  });
  const deployed = read('k8s/bookinfo.yaml');
  // Where the flat files do not have it yet, catalog is deployed as details is.
  const details = deployed.filter(({ metadata }) => /^(bookinfo-)?details(-v1)?$/.test(metadata?.name ?? ''));
  const catalog = JSON.parse(JSON.stringify(details).replaceAll('details', 'catalog')) as Manifest[];
  const others = deployed.filter(({ metadata }) => !/catalog/.test(metadata?.name ?? ''));
  const manifests = [...others, ...catalog, ...read('istio/bookinfo-gateway.yaml'), ...read(RULE)];
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

interface Context extends Shop {
  tree: string;
}

export default defineExercise<Context>({
  title: { en: 'The list of products leaves the page', ko: '상품 목록이 페이지에서 떨어져 나옵니다' },
  day: 1,
  minutes: 60,
  async open(tree, { signal }) {
    const shop = await openShop(tree, signal, async (it) => {
      await Promise.all(['productpage-v1', 'details-v1', 'reviews-v1', 'catalog-v1'].map((name) => it.start(name)));
    });
    return { ...shop, tree };
  },
  questions: [
    {
      name: 'catalog answers what productpage always has, byte for byte',
      async ask(shop) {
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
      async ask(shop) {
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
      async ask(shop) {
        const { traceId } = await shop.ask('productpage', LIST);
        await shop.trace(traceId, 'one trace, in which productpage calls catalog', (spans) => {
          const server = spans.find((it) => it.resource['service.name'] === 'catalog' && it.kind === 2);
          const caller = spans.find((it) => it.spanId === server?.parentSpanId);
          return caller?.resource['service.name'] === 'productpage';
        });
      },
    },
    {
      name: 'a catalog that answers nonsense does not reach the client',
      async ask(shop) {
        const link = shop.link('productpage', 'catalog');
        for (const [fate, what] of [
          [{ status: 200, body: { oops: true } }, 'answers {"oops":true}'],
          [{ status: 503 }, 'answers 503'],
        ] as const) {
          link.fate = () => fate;
          const seen = await listOf(shop, 'productpage');
          hold(seen === ORIGINAL, {
            expected: `the old list while catalog ${what}`,
            seen: seen.slice(0, 200),
            cause: 'the answer is used without a look at answer.ok',
            look: BACKENDS,
          });
        }
        link.fate = () => 'pass';
      },
    },
    {
      name: 'a slow catalog does not keep the client waiting',
      async ask(shop) {
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
      async ask(shop) {
        await shop.kill('catalog-v1');
        const seen = await listOf(shop, 'productpage');
        hold(seen === ORIGINAL, {
          expected: 'the old list while catalog is stopped',
          seen: seen.slice(0, 200),
          cause: 'there is no fallback',
          look: BACKENDS,
        });
        const page = await shop.ask('productpage', '/productpage');
        hold(page.status === 200 && page.text.includes('The Comedy of Errors'), {
          expected: 'the product page with its title while catalog is stopped',
          seen: `${page.status}`,
          look: 'services/productpage/src/routes/pages.ts',
        });
      },
    },
    {
      name: 'the gateway sends the list to catalog, and everything else to productpage',
      async ask({ tree }) {
        const answers = answersAtTheGateway(tree);
        const list = answers('GET', LIST);
        hold(list === 'catalog-v1', {
          expected: `GET ${LIST} is answered by catalog-v1`,
          seen: list,
          cause: 'the rule is not bound to bookinfo-gateway, or one above it matches first',
          look: `${RULE}; npx pnpm@12 lab explain -f istio/bookinfo-gateway.yaml -f ${RULE} GET http://localhost${LIST}`,
        });
        for (const [method, path] of [
          ['GET', `${LIST}/0`],
          ['GET', `${LIST}/0/reviews`],
          ['GET', '/productpage'],
          ['GET', '/static/style.css'],
          ['POST', '/login'],
        ] as const) {
          const seen = answers(method, path);
          hold(seen === 'productpage-v1', {
            expected: `${method} ${path} is answered by productpage-v1`,
            seen,
            cause: 'the rule takes more than the list with it, or a rule that was there before is missing',
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
  },
});
