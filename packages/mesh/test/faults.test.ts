/** The typical mistakes, explained; what is not defined; what is refused. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { addressOf, explain, type Manifest, Refusal } from '../src/index.ts';
import { ask, file, START, sentences, shares } from './ask.ts';
import { FAULTS, PAGE, REVIEWS, route, security, spoiled, virtualService } from './faults.ts';

describe('a typical mistake and its reason', () => {
  test.for(FAULTS.map((it) => [it.name, it] as const))('%s', ([, { url, manifests, question, expected, says }]) => {
    const explanation = ask(url, manifests, question);
    expect(shares(explanation)).toEqual(expected);
    expect(sentences(explanation)).toContain(says);
  });
});

test('what Istio does not define is said to be so', () => {
  const twice = [
    virtualService('reviews', { hosts: ['reviews'], http: [{ route: route('v1') }] }),
    virtualService('again', { hosts: ['reviews'], http: [{ route: route('v2') }] }),
  ];
  const from = { from: 'productpage-v1' };
  expect(ask(REVIEWS, [twice], from).undecided.join()).toMatch(
    /^Istio does not define the order of VirtualService default\/again, VirtualService default\/reviews/,
  );
  const aged = twice.map((it, i) => ({
    ...it,
    metadata: { ...it.metadata, creationTimestamp: `2026-11-0${i + 1}T00:00:00Z` },
  }));
  const known = ask(REVIEWS, [aged], from);
  expect(known.undecided).toEqual([]);
  expect(shares(known)).toEqual({ '200 v1': 100 });
});

test('a gateway names the rule that lets a request in', () => {
  const lessons = ['gateway-api/bookinfo-gateway', 'authorization-least-privilege'];
  const explanation = ask(PAGE, lessons, {}, ['k8s/bookinfo.yaml']);
  expect(shares(explanation)).toEqual({ '200 v1': 100 });
  expect(sentences(explanation)).toContain('rule 1 of AuthorizationPolicy default/bookinfo-gateway allows it');
});

describe('what the model does not know, it refuses by kind, name and field', () => {
  test.for<[problem: string, manifests: Manifest[]]>([
    [
      'DestinationRule default/reviews: spec.trafficPolicy.circuitBreaker is not a field that this model knows',
      spoiled('istio/destination-rule-reviews-circuit-breaker.yaml', 'outlierDetection', 'circuitBreaker'),
    ],
    [
      'VirtualService default/reviews: spec.tcp is not a field that this model knows',
      [virtualService('reviews', { hosts: ['reviews'], tcp: [] })],
    ],
    [
      'VirtualService default/reviews: spec.http[0].corsPolicy is not a field that this model knows',
      [virtualService('reviews', { hosts: ['reviews'], http: [{ corsPolicy: {} }] })],
    ],
    [
      'AuthorizationPolicy default/ask: spec.action must be equal to one of the allowed values',
      [security('AuthorizationPolicy', 'ask', { action: 'CUSTOM' })],
    ],
    [
      'VirtualService default/reviews: spec.http[0].match[0].uri.regex is no regular expression that this model reads',
      [virtualService('reviews', { hosts: ['reviews'], http: [{ match: [{ uri: { regex: '([' } }] }] })],
    ],
    [
      'RequestAuthentication default/tokens: spec.jwtRules[0].jwks is no JSON Web Key Set',
      [security('RequestAuthentication', 'tokens', { jwtRules: [{ issuer: 'somebody', jwks: '{}' }] })],
    ],
    [
      'Sidecar default/default: this model does not know the kind',
      [{ apiVersion: 'networking.istio.io/v1', kind: 'Sidecar', metadata: { name: 'default' }, spec: {} }],
    ],
  ])('%s', ([problem, manifests]) => {
    expect(() => ask(PAGE, [manifests])).toThrow(problem);
  });
});

type Path = (string | number)[];
const pathsOf = (value: unknown, at: Path = []): Path[] =>
  typeof value !== 'object' || value === null
    ? [at]
    : [at, ...Object.entries(value).flatMap(([key, inner]) => pathsOf(inner, [...at, key]))];

test('whatever stands in a field is explained or refused', () => {
  const files = ['virtual-service-ratings-test-delay', 'destination-rule-reviews-circuit-breaker', 'security-policy'];
  const more = ['authorization-least-privilege', 'canary-by-token', 'gateway-api/route-reviews-80-20'];
  const all = [...files, ...more].flatMap((it) => file(`istio/${it}.yaml`));
  const paths = pathsOf(all).filter(({ length }) => length > 0);
  const values = fc.constantFrom(null, -1, '', '*', '0s', '([', 'reviews', [], [null], [{}], {}, { a: 1 }, true);
  const spoil = (path: Path, value: unknown) => {
    const copy = structuredClone(all);
    const last = path.at(-1) ?? 0;
    const parent = path.slice(0, -1).reduce<unknown>((at, key) => (at as Record<string, unknown>)[key], copy);
    (parent as Record<string, unknown>)[last] = value;
    return copy;
  };
  const shop = START.flatMap(file);
  const request = { ...addressOf(new URL(PAGE)), method: 'GET', headers: {}, from: 'ingress', user: 'jason', now: 0 };
  fc.assert(
    fc.property(fc.constantFrom(...paths), values, (path, value) => {
      try {
        explain([...shop, ...spoil(path, value)], request);
      } catch (error) {
        if (!(error instanceof Refusal)) throw error;
      }
    }),
    { seed: 1, numRuns: 300 },
  );
});
