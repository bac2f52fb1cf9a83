/** What may be wrong with the mesh of the challenge: each is one field of a file of `solution/challenge`, changed. */
import type { Fault } from '../check/faults.ts';
import type { QUESTIONS } from './questions.ts';

type Id = keyof typeof QUESTIONS | 'breaker';
type Part = Pick<Fault, 'name' | 'at' | 'wrong'>;

const is = (value: unknown) => () => value;
/** The rules of a list, the last one first. */
const lastFirst = (rules: unknown) => (Array.isArray(rules) ? [rules.at(-1), ...rules.slice(0, -1)] : rules);
const swapped = (route: unknown) => {
  const [a, b] = route as { weight: number }[];
  return [
    { ...a, weight: b?.weight },
    { ...b, weight: a?.weight },
  ];
};

const faults =
  (file: string, resource: string, hop: string) =>
  (question: Id, ...parts: Part[]): Fault[] =>
    parts.map((part) => ({ ...part, question, hop, file: `challenge/${file}`, resource }));

const gateway = faults('gateway.yaml', 'Gateway bookinfo-gateway', 'where the ingress gateway opens its door');
const entrance = faults('gateway.yaml', 'VirtualService bookinfo', 'at the ingress gateway, which looks for a route');
const pages = faults('subsets.yaml', 'DestinationRule productpage', 'between the ingress gateway and productpage');
const detailsPods = faults('services.yaml', 'Service details', 'between productpage and details');
const detailsRoute = faults('routes.yaml', 'VirtualService details', 'between productpage and details');
const copiedRoute = faults('routes.yaml', 'VirtualService details', 'between productpage and reviews');
const reviewsPods = faults('subsets.yaml', 'DestinationRule reviews', 'between productpage and reviews');
const reviewsRoute = faults('routes.yaml', 'VirtualService reviews', 'between productpage and reviews');
const ratingsPods = faults('services.yaml', 'Service ratings', 'between reviews and ratings');
const ratingsRoute = faults('routes.yaml', 'VirtualService ratings', 'between reviews and ratings');

export const FAULTS: readonly Fault[] = [
  ...gateway(
    'page',
    { name: 'a Gateway whose selector fits no pod', at: ['spec', 'selector', 'istio'], wrong: is('ingress') },
    { name: 'a Gateway for another host', at: ['spec', 'servers', 0, 'hosts'], wrong: is(['bookinfo.com']) },
  ),
  ...entrance(
    'page',
    { name: 'a path that nobody asks for', at: ['spec', 'http', 1, 'match', 0, 'uri', 'exact'], wrong: is('/product') },
    {
      name: 'port 80 where the Service has 9080',
      at: ['spec', 'http', 1, 'route', 0, 'destination', 'port', 'number'],
      wrong: is(80),
    },
    { name: 'a Gateway of another name', at: ['spec', 'gateways'], wrong: is(['bookinfo']) },
    {
      name: 'applied again for the mesh, and so without its Gateway',
      at: ['spec'],
      wrong: (spec) => ({ hosts: ['productpage'], http: (spec as { http: unknown }).http }),
    },
  ),
  ...entrance('signIn', {
    name: 'a route for a sign-in by GET',
    at: ['spec', 'http', 1, 'match', 2],
    wrong: is({ uri: { exact: '/login' }, method: { exact: 'GET' } }),
  }),
  ...entrance('canary', { name: 'everybody before the canary', at: ['spec', 'http'], wrong: lastFirst }),
  ...pages('canary', {
    name: 'a subset of the page by a label that no pod has',
    at: ['spec', 'subsets', 1, 'labels'],
    wrong: is({ ver: 'v2' }),
  }),
  ...detailsPods('details', {
    name: 'a Service whose selector fits no pod',
    at: ['spec', 'selector', 'app'],
    wrong: is('detail'),
  }),
  ...detailsRoute('details', {
    name: 'a port of details that it does not have',
    at: ['spec', 'http', 0, 'route', 0, 'destination', 'port', 'number'],
    wrong: is(80),
  }),
  ...copiedRoute('reviews', {
    name: 'two VirtualServices for one host: a copy whose host was not changed',
    at: ['spec', 'hosts'],
    wrong: is(['reviews']),
  }),
  ...reviewsPods('reviews', {
    name: 'a subset of reviews by a label that no pod has',
    at: ['spec', 'subsets', 0, 'labels'],
    wrong: is({ ver: 'v1' }),
  }),
  ...reviewsPods('shares', {
    name: 'a subset v1 that is the pods of v2',
    at: ['spec', 'subsets', 0, 'labels'],
    wrong: is({ version: 'v2' }),
  }),
  ...reviewsRoute(
    'shares',
    {
      name: 'the split between the wrong versions',
      at: ['spec', 'http', 2, 'route', 1, 'destination', 'subset'],
      wrong: is('v2'),
    },
    { name: 'the weights the other way round', at: ['spec', 'http', 2, 'route'], wrong: swapped },
  ),
  ...reviewsRoute(
    'jason',
    { name: 'everybody before jason', at: ['spec', 'http'], wrong: lastFirst },
    {
      name: 'a header that nobody sends',
      at: ['spec', 'http', 0, 'match', 0, 'headers'],
      wrong: is({ user: { exact: 'jason' } }),
    },
    {
      name: 'Jason, with a capital letter',
      at: ['spec', 'http', 0, 'match', 0, 'headers', 'end-user', 'exact'],
      wrong: is('Jason'),
    },
  ),
  ...reviewsRoute('chaos', {
    name: 'a fault on a route that nobody takes: testers get reviews that never ask ratings',
    at: ['spec', 'http', 1, 'route', 0, 'destination', 'subset'],
    wrong: is('v1'),
  }),
  ...ratingsPods('chaos', { name: 'a port of ratings named tcp', at: ['spec', 'ports', 0, 'name'], wrong: is('tcp') }),
  ...ratingsRoute('chaos', {
    name: 'a percentage as a fraction: 1 is 1 %',
    at: ['spec', 'http', 0, 'fault', 'abort', 'percentage', 'value'],
    wrong: is(1),
  }),
  ...reviewsRoute('slow', {
    name: 'a timeout below what is waited for',
    at: ['spec', 'http', 1, 'timeout'],
    wrong: is('1s'),
  }),
  ...ratingsRoute('slow', {
    name: 'a delay that reviews v3 does not wait for',
    at: ['spec', 'http', 1, 'fault', 'delay', 'fixedDelay'],
    wrong: is('20s'),
  }),
  ...reviewsPods('breaker', {
    name: 'a breaker that counts consecutiveErrors, which Istio does not read',
    at: ['spec', 'trafficPolicy', 'outlierDetection'],
    wrong: (good) => {
      const { consecutive5xxErrors: consecutiveErrors, ...rest } = good as Record<string, unknown>;
      return { consecutiveErrors, ...rest };
    },
  }),
];
