import { kubectl, list, type Pod } from './cluster.ts';
import { lesson } from './lesson.ts';
import { get, print, reviewsVersion, stars, tally } from './pages.ts';
import { check, eventually } from './results.ts';
import { session } from './session.ts';

export const theWayIn = [
  lesson('install', 'Istio and the application run, each pod with its sidecar', async () => {
    const control = await list<Pod>('pods', '--namespace=istio-system');
    for (const name of ['istiod', 'istio-ingressgateway', 'istio-egressgateway'])
      check(
        control.some(({ metadata, status }) => metadata.name.startsWith(name) && status.phase === 'Running'),
        `${name} is Running`,
      );
    const pods = await list<Pod>('pods', '--selector=app in (productpage, details, reviews, ratings)');
    for (const { metadata, spec, status } of pods) {
      const sidecar = [...(spec.initContainers ?? []), ...spec.containers].some(({ name }) => name === 'istio-proxy');
      const ready = status.containerStatuses?.every((container) => container.ready) ?? false;
      check(sidecar && ready, `${metadata.name} is ready, with a sidecar`);
    }
    const ratings = ['exec', 'deployment/ratings-v1', '--container=ratings', '--'];
    const page = await kubectl([...ratings, 'curl', '-sS', 'productpage:9080/productpage']);
    check(page.includes('<title>Simple Bookstore App</title>'), 'the title, asked for from ratings');
  }),

  lesson('gateway', 'The page and everything on it comes in through the gateway', async () => {
    const page = await eventually(get, ({ status }) => status === 200);
    check(page.body.includes('<title>Simple Bookstore App</title>'), `the title, at ${session.gateway}`);
    for (const [, asset] of page.body.matchAll(/(?:src|href)="(static\/[^"]+)"/g))
      check((await get(`/${asset}`)).status === 200, asset ?? '');
    for (const path of [
      '/api/v1/products',
      '/api/v1/products/0',
      '/api/v1/products/0/reviews',
      '/api/v1/products/0/ratings',
    ])
      check((await get(path)).status === 200, path);
    check((await get('/metrics')).status === 404, '/metrics stays inside: 404');
  }),

  lesson('no-rules', 'Without rules the three versions of reviews take turns', async () => {
    const outcomes = await tally(60, (page) => `${reviewsVersion(page)} ${stars(page)}`);
    check(Object.keys(outcomes).sort().join() === 'v1 0,v2 9,v3 9', `versions and stars: ${print(outcomes)}`);
  }),
];
