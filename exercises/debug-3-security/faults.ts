/** What may be wrong with the security of the challenge: each is one field of a file of `solution/challenge`, changed. */
import type { Fault } from '../check/faults.ts';
import type { QUESTIONS } from './questions.ts';

type Id = keyof typeof QUESTIONS;
type Part = Pick<Fault, 'name' | 'at' | 'wrong'>;

const is = (value: unknown) => () => value;
const gone = () => undefined;
/** A rule with `from` and `to` as two rules, of which one is enough. */
const apart = (rule: unknown) => {
  const { from, to } = rule as Record<'from' | 'to', unknown>;
  return [{ from }, { to }];
};

const faults =
  (file: string, resource: string, hop: string) =>
  (question: Id, ...parts: Part[]): Fault[] =>
    parts.map((part) => ({ ...part, question, hop, file: `challenge/${file}`, resource }));

const policy = (name: string, hop: string) => faults('policies.yaml', `AuthorizationPolicy ${name}`, hop);
const page = policy('productpage', 'at productpage, which the ingress gateway asks');
const details = policy('details', 'at details');
const reviews = policy('reviews', 'at reviews, which productpage asks');
const ratings = policy('ratings', 'at ratings');
const mtls = faults('mutual-tls.yaml', 'PeerAuthentication default', 'at the sidecar of ratings, before any policy');
const toDetails = faults('mutual-tls.yaml', 'DestinationRule details', 'between productpage and details');
const toRatings = faults('mutual-tls.yaml', 'DestinationRule ratings', 'between reviews and ratings');
const token = faults('tokens.yaml', 'RequestAuthentication api', 'at productpage, where the token is looked at');
const api = faults('tokens.yaml', 'AuthorizationPolicy api', 'at productpage, where it is decided who uses the API');

const RULE = ['spec', 'rules', 0] as const;
const ACCOUNT = [...RULE, 'from', 0, 'source', 'serviceAccounts', 0] as const;
const APP = ['spec', 'selector', 'matchLabels', 'app'] as const;
const NAMESPACE = ['metadata', 'namespace'] as const;
const TLS = ['spec', 'trafficPolicy', 'tls', 'mode'] as const;

export const FAULTS: readonly Fault[] = [
  ...page(
    'page',
    {
      name: 'the name of the gateway instead of its account',
      at: ACCOUNT,
      wrong: is('istio-system/istio-ingressgateway'),
    },
    { name: 'DENY where ALLOW is meant', at: ['spec', 'action'], wrong: is('DENY') },
  ),
  ...reviews('page', {
    name: 'the account of productpage by the name of its Service',
    at: ACCOUNT,
    wrong: is('productpage'),
  }),
  ...details('page', { name: 'a policy of details in another namespace', at: NAMESPACE, wrong: is('legacy') }),
  ...toDetails('page', {
    name: 'STRICT, and a DestinationRule that switches TLS off for details',
    at: TLS,
    wrong: is('DISABLE'),
  }),
  ...ratings(
    'stars',
    { name: 'the wrong account at ratings', at: ACCOUNT, wrong: is('reviews') },
    {
      name: 'a path without what comes after it',
      at: [...RULE, 'to', 0, 'operation', 'paths', 0],
      wrong: is('/ratings'),
    },
    { name: 'a selector with a slip', at: APP, wrong: is('rating') },
    { name: 'a policy of ratings in another namespace', at: NAMESPACE, wrong: is('legacy') },
  ),
  ...toRatings('stars', {
    name: 'STRICT, and a DestinationRule that switches TLS off for ratings',
    at: TLS,
    wrong: is('DISABLE'),
  }),
  ...reviews('strangers', {
    name: 'from and to as two rules',
    at: ['spec', 'rules'],
    wrong: (rules) => apart((rules as unknown[])[0]),
  }),
  ...ratings(
    'others',
    {
      name: 'any certificate of the mesh will do',
      at: [...RULE, 'from', 0, 'source'],
      wrong: is({ principals: ['*'] }),
    },
    {
      name: 'a namespace where an account is meant',
      at: [...RULE, 'from', 0, 'source'],
      wrong: is({ namespaces: ['default'] }),
    },
  ),
  ...ratings('write', {
    name: 'POST allowed beside GET',
    at: [...RULE, 'to', 0, 'operation', 'methods'],
    wrong: is(['GET', 'POST']),
  }),
  ...page('method', {
    name: 'no methods named for the page',
    at: [...RULE, 'to', 0, 'operation', 'methods'],
    wrong: gone,
  }),
  ...api('nobody', {
    name: 'RequestAuthentication alone: a policy that asks for no token',
    at: ['spec', 'rules', 0],
    wrong: (rule) => ({ to: (rule as { to: unknown }).to }),
  }),
  ...token(
    'tester',
    { name: 'another issuer', at: ['spec', 'jwtRules', 0, 'issuer'], wrong: is('bookinfo') },
    {
      name: 'keys at an address that istiod does not find',
      at: ['spec', 'jwtRules', 0],
      wrong: is({ issuer: 'bookinfo-lab', jwksUri: 'http://auth:9080/jwks' }),
    },
    { name: 'an audience that no token names', at: ['spec', 'jwtRules', 0, 'audiences'], wrong: is(['bookinfo']) },
    { name: 'a RequestAuthentication whose selector fits no pod', at: APP, wrong: is('product-page') },
  ),
  ...api(
    'tester',
    {
      name: 'the issuer alone, where issuer/subject is compared',
      at: [...RULE, 'from', 0, 'source', 'requestPrincipals', 0],
      wrong: is('bookinfo-lab'),
    },
    { name: 'another group', at: [...RULE, 'when', 0, 'values', 0], wrong: is('tester') },
  ),
  ...mtls(
    'outsider',
    { name: 'PERMISSIVE', at: ['spec', 'mtls', 'mode'], wrong: is('PERMISSIVE') },
    {
      name: 'STRICT for one service only',
      at: ['spec', 'selector'],
      wrong: is({ matchLabels: { app: 'productpage' } }),
    },
  ),
];
