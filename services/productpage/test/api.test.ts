import { beforeEach, describe, expect, test } from 'vitest';
import { backendAt } from '../../../local/bookinfo.ts';
import { freePort } from '../../../local/free-port.ts';
import { failuresOf } from '../../../test/support/failures.ts';
import { start } from '../../../test/support/service.ts';
import { answers, hangs, useStub } from '../../../test/support/stub.ts';
import { type BackendName, GOOD, useShop } from './shop.ts';

/** The API's paths and what stands behind them. */
const PATHS: [BackendName, string, string][] = [
  ['details', '/api/v1/products/0', '/details/0'],
  ['reviews', '/api/v1/products/0/reviews', '/reviews/0'],
  ['ratings', '/api/v1/products/0/ratings', '/ratings/0'],
];
const sorry = (name: string) => `{"error":"Sorry, product ${name} are currently unavailable for this book."}`;

const shop = useShop();
const silent = useStub(hangs);
const get = (path: string) => shop.productpage.request(path);

test('the API lists the one product', async () => {
  const { status, headers, json } = await get('/api/v1/products');
  expect(status).toBe(200);
  expect(headers['content-type']).toMatch('application/json');
  expect(json).toEqual([
    { id: 0, title: 'The Comedy of Errors', descriptionHtml: expect.stringContaining('<em>The Comedy of Errors</em>') },
  ]);
});

describe.each(PATHS)('the API for %s', (name, path, backendPath) => {
  const stub = shop[name];
  beforeEach(() => {
    stub.behave(answers(GOOD[name]));
    stub.received.length = 0;
  });

  test('answers what the backend answered', async () => {
    const { status, headers, json } = await get(path);
    expect(status).toBe(200);
    expect(headers['content-type']).toMatch('application/json');
    expect(json).toEqual(GOOD[name]);
    expect(stub.received).toMatchObject([{ method: 'GET', path: backendPath }]);
  });

  test('takes any number', async () => {
    await get(path.replace('0', '123'));
    expect(stub.received).toMatchObject([{ path: backendPath.replace('0', '123') }]);
  });

  test.each(['abc', '1x', '-1', '1.5', '%20', '..%2f0', '9'.repeat(400)])(
    'answers 400 for the id %s and asks nobody',
    async (id) => {
      const { status, text } = await get(path.replace('/0', `/${id}`));
      expect([status, text]).toEqual([400, '{"error":"please provide numeric product id"}']);
      expect(stub.received).toEqual([]);
    },
  );

  test.each(failuresOf(GOOD[name]))('answers $status when the backend $name', async ({ behaviour, status }) => {
    stub.behave(behaviour);
    const answer = await get(path);
    expect([answer.status, answer.text]).toEqual([status, sorry(name)]);
    expect(stub.received).toHaveLength(name === 'reviews' ? 2 : 1);
  });
});

test.each([
  ['nobody listens', async () => freePort()],
  ['the backend never answers', async () => silent.port],
])('the API answers 500 when %s', async (_what, port) => {
  await using productpage = await start('productpage', {
    ...backendAt('details', await port()),
    ...backendAt('reviews', await port()),
    ...backendAt('ratings', await port()),
  });
  await Promise.all(
    PATHS.map(async ([name, path]) => {
      const answer = await productpage.request(path);
      expect([answer.status, answer.text]).toEqual([500, sorry(name)]);
    }),
  );
});

test.each(['/api/v1', '/api/v1/products/', '/api/v1/products/0/', '/api/v1/products/0/details', '/api/v2/products'])(
  'the API does not know %s',
  async (path) => {
    const { status, json } = await get(path);
    expect(status).toBeGreaterThanOrEqual(400);
    expect(status).toBeLessThan(500);
    expect(json).toMatchObject({ error: expect.any(String) });
  },
);

test.each(['POST', 'PUT', 'DELETE'] as const)('the API is read-only: %s', async (method) => {
  expect(await shop.productpage.request('/api/v1/products/0', { method })).toMatchObject({ status: 405 });
});
