import { defineExercise, hold } from '../check/exercise.ts';
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

export default defineExercise<Shop>({
  title: { en: 'The list of products leaves the page', ko: '상품 목록이 페이지에서 떨어져 나옵니다' },
  day: 1,
  minutes: 60,
  open: (tree, { signal }) =>
    openShop(tree, signal, async (shop) => {
      await Promise.all(['productpage-v1', 'details-v1', 'reviews-v1', 'catalog-v1'].map((name) => shop.start(name)));
    }),
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
  ],
  refused: {
    start: 'catalog-v1 among the workloads',
    wrong: {
      'other-shape': 'clients of the old list must not notice',
      'asks-nobody': 'catalog was not asked',
      'no-fallback': 'without a look at answer.ok',
      patient: "waited for catalog's late answer",
    },
  },
});
