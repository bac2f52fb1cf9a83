import { expect } from 'vitest';
import { kubectl } from './kubectl.ts';
import { lesson } from './lesson.ts';
import { type Page, reviewsVersion, stars, traceOf } from './visitor.ts';

const sorry = 'Sorry, product reviews are currently unavailable for this book.';
const withoutRatings = ({ body }: Page) =>
  body.includes('Ratings service is currently unavailable') ? 'without ratings' : 'with ratings';

lesson(
  'delay: 7 s are longer than 2 × 3 s of the page, shorter than the 10 s of reviews v2',
  async ({ cluster, visitor }) => {
    const jason = await visitor.signIn('jason');
    await cluster.apply('istio/virtual-service-all-v1.yaml', 'istio/virtual-service-reviews-test-v2.yaml');
    await cluster.apply('istio/virtual-service-ratings-test-delay.yaml');
    await expect.poll(async () => (await visitor.get('/productpage', jason)).seconds).toBeGreaterThan(5);
    const slow = await visitor.get('/productpage', jason);
    expect(slow).toMatchObject({ status: 200, body: expect.stringContaining(sorry) });
    expect(slow.seconds).toBeGreaterThan(5.5);
    expect(slow.seconds).toBeLessThan(8);
    const everybody = await visitor.get();
    expect(everybody.body).toContain('Book Reviews');
    expect(everybody.seconds).toBeLessThan(3);

    await cluster.apply('istio/virtual-service-reviews-v3.yaml');
    // One page may ask v2 first and v3 second while the route arrives; the page after it does not.
    await expect.poll(async () => reviewsVersion(await visitor.get('/productpage', jason))).toBe('v3');
    const fixed = await visitor.get('/productpage', jason);
    expect(withoutRatings(fixed), 'reviews v3 gives up first').toBe('without ratings');
    expect(fixed.seconds).toBeGreaterThan(2.4);
    expect(fixed.seconds).toBeLessThan(4);
  },
);

lesson('abort: errors made by the proxy', async ({ cluster, visitor }) => {
  const jason = await visitor.signIn('jason');
  await cluster.apply('istio/virtual-service-all-v1.yaml', 'istio/virtual-service-reviews-test-v2.yaml');
  await cluster.apply('istio/virtual-service-ratings-test-abort.yaml');
  await visitor.seesOnly('without ratings', withoutRatings, jason);
  await visitor.seesOnly('with ratings', withoutRatings);
  await cluster.apply('istio/fault-injection-details-v1.yaml');
  await expect.poll(async () => (await visitor.get()).body).toContain('Error fetching product details');
  const page = await visitor.get();
  expect(page).toMatchObject({ status: 200, body: expect.stringContaining('Book Reviews') });
  expect((await visitor.get('/api/v1/products/0')).status, 'the API passes the status on').toBe(555);
});

lesson('timeout: half a second, tried twice by the page', async ({ cluster, visitor }) => {
  await cluster.apply('istio/virtual-service-reviews-timeout.yaml');
  await expect.poll(async () => (await visitor.get()).body).toContain(sorry);
  const page = await visitor.get();
  expect(page.seconds).toBeGreaterThan(0.9);
  expect(page.seconds).toBeLessThan(3);
});

lesson('retries: they hide a version that fails half of the time', async ({ cluster, visitor }) => {
  await cluster.apply('istio/virtual-service-reviews-v3.yaml', 'istio/virtual-service-ratings-retries.yaml');
  await cluster.deploy('k8s/ratings-v-faulty.yaml');
  const none = '[{"op":"replace","path":"/spec/http/0/retries","value":{"attempts":0}}]';
  await kubectl(['patch', 'virtualservices.networking.istio.io', 'ratings', '--type=json', `--patch=${none}`]);
  const rated = (page: Page) => (stars(page) === 9 ? 'rated' : 'unrated');
  const some = { rated: expect.any(Number), unrated: expect.any(Number) };
  await expect.poll(() => visitor.tally(40, rated), { message: 'without retries' }).toEqual(some);
  await cluster.apply('istio/virtual-service-ratings-retries.yaml');
  await expect.poll(() => visitor.tally(60, rated), { message: 'with retries' }).toEqual({ rated: 60 });
});

lesson('mirroring: v1 answers, v3 gets a copy', async ({ cluster, visitor }) => {
  await cluster.apply('istio/virtual-service-reviews-mirror.yaml');
  await visitor.seesOnly('v1', reviewsVersion);
  const trace = traceOf(await visitor.get());
  expect(trace, 'the trace on the page').not.toBe('');
  for (const version of ['v1', 'v3']) {
    const log = () => kubectl(['logs', `deployment/reviews-${version}`, '--container=reviews', '--since=2m']);
    await expect.poll(log, { message: `the log of reviews ${version}`, timeout: 20_000 }).toContain(trace);
  }
});
