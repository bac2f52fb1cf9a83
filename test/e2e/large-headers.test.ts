import { expect, test } from 'vitest';
import { startBookinfo } from '../../local/bookinfo.ts';
import { workloads } from '../../local/workloads.ts';
import { openCollector } from '../support/collector.ts';
import { http } from '../support/http.ts';

/** Around the 16 KiB that the page takes. */
const SIZES = Array.from({ length: 30 }, (_, i) => 15_400 + i * 50);

test('headers that the page takes are not too many for the services behind it', async () => {
  await using collector = await openCollector();
  await using bookinfo = await startBookinfo({
    workloads: workloads('productpage-v1', 'details-v1', 'reviews-v3', 'ratings-v1'),
    env: { ...collector.env, LOG_LEVEL: 'info' },
  });
  const url = `http://127.0.0.1:${bookinfo.ports.productpage}/api/v1/products/0/page`;
  const answers = await Promise.all(
    SIZES.map((size) =>
      http(url, { headers: { 'user-agent': 'a'.repeat(1000), cookie: `a=${'b'.repeat(size - 1000)}` } }),
    ),
  );
  expect([...new Set(answers.map(({ status }) => status))].sort()).toEqual([200, 431]);
  for (const { status, text } of answers) if (status === 200) expect(text).not.toContain('"ok":false');
});
