import { apply, deploy, kubectl } from './cluster.ts';
import { lesson } from './lesson.ts';
import { all, get, type Page, print, reviewsVersion, signIn, stars, tally, traceOf } from './pages.ts';
import { check, eventually } from './results.ts';

export const faults = [
  lesson('delay', 'A delay of 7 s: longer than 2 × 3 s of the page, shorter than the 10 s of reviews v2', async () => {
    const jason = await signIn('jason');
    await apply('istio/virtual-service-all-v1.yaml', 'istio/virtual-service-reviews-test-v2.yaml');
    await apply('istio/virtual-service-ratings-test-delay.yaml');
    const slow = await eventually(
      () => get('/productpage', jason),
      ({ seconds }) => seconds > 5,
    );
    const sorry = 'Sorry, product reviews are currently unavailable for this book.';
    check(slow.status === 200 && slow.body.includes(sorry), 'jason reads that the reviews are unavailable');
    check(slow.seconds > 5.5 && slow.seconds < 8, `after ${slow.seconds.toFixed(2)} s`);
    const { body, seconds } = await get();
    check(body.includes('Book Reviews') && seconds < 3, `everybody else has reviews, after ${seconds.toFixed(2)} s`);
    await apply('istio/virtual-service-reviews-v3.yaml');
    // One page may ask v2 first and v3 second while the route arrives; the page after it does not.
    await eventually(
      () => get('/productpage', jason),
      (page) => reviewsVersion(page) === 'v3',
    );
    const fixed = await get('/productpage', jason);
    check(
      fixed.body.includes('Ratings service is currently unavailable'),
      'reviews v3 gives up first: reviews without stars',
    );
    check(fixed.seconds > 2.4 && fixed.seconds < 4, `after ${fixed.seconds.toFixed(2)} s`);
  }),

  lesson('abort', 'Errors made by the proxy', async () => {
    const jason = await signIn('jason');
    await apply('istio/virtual-service-all-v1.yaml', 'istio/virtual-service-reviews-test-v2.yaml');
    await apply('istio/virtual-service-ratings-test-abort.yaml');
    const unavailable = ({ body }: Page) => String(body.includes('Ratings service is currently unavailable'));
    await all(unavailable, 'true', jason);
    await all(unavailable, 'false');
    await apply('istio/fault-injection-details-v1.yaml');
    const page = await eventually(get, ({ body }) => body.includes('Error fetching product details'));
    check(page.body.includes('Error fetching product details'), 'Error fetching product details');
    check(page.status === 200 && page.body.includes('Book Reviews'), 'the page is 200, with its reviews');
    check((await get('/api/v1/products/0')).status === 555, 'the API passes 555 on');
  }),

  lesson('timeout', 'A timeout of 0.5 s, tried twice by the page', async () => {
    await apply('istio/virtual-service-reviews-timeout.yaml');
    const page = await eventually(get, ({ body }) => body.includes('Sorry, product reviews'));
    check(page.body.includes('Sorry, product reviews are currently unavailable'), 'no reviews');
    check(page.seconds > 0.9 && page.seconds < 3, `after ${page.seconds.toFixed(2)} s`);
  }),

  lesson('retries', 'Retries hide a version that fails every other time', async () => {
    await apply('istio/virtual-service-reviews-v3.yaml', 'istio/virtual-service-ratings-retries.yaml');
    await deploy('k8s/ratings-v-faulty.yaml');
    const none = '[{"op":"replace","path":"/spec/http/0/retries","value":{"attempts":0}}]';
    await kubectl(['patch', 'virtualservices.networking.istio.io', 'ratings', '--type=json', `--patch=${none}`]);
    const rated = (page: Page) => (stars(page) === 9 ? 'stars' : 'none');
    const bare = await eventually(
      () => tally(40, rated),
      (seen) => (seen.none ?? 0) > 0,
    );
    check((bare.none ?? 0) > 0 && (bare.stars ?? 0) > 0, `without retries: ${print(bare)}`);
    await apply('istio/virtual-service-ratings-retries.yaml');
    const missing = await eventually(
      () => tally(60, rated),
      (seen) => !seen.none,
    );
    check(!missing.none, `with retries: ${print(missing)}`);
  }),

  lesson('mirroring', 'v1 answers, v3 gets a copy', async () => {
    await apply('istio/virtual-service-reviews-mirror.yaml');
    await all(reviewsVersion, 'v1');
    const trace = traceOf(await get());
    for (const version of ['v1', 'v3']) {
      const log = () => kubectl(['logs', `deployment/reviews-${version}`, '--container=reviews', '--since=2m']);
      const seen = (await eventually(log, (lines) => lines.includes(trace), 20)).includes(trace);
      check(trace !== '' && seen, `the log of reviews ${version} has trace ${trace}`);
    }
  }),
];
