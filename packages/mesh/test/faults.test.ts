/** The typical mistakes, explained; what is not defined; what is refused. */
import { describe, expect, test } from 'vitest';
import type { Manifest } from '../src/index.ts';
import { ask, sentences, shares } from './ask.ts';
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
      'Sidecar default/default: this model does not know the kind',
      [{ apiVersion: 'networking.istio.io/v1', kind: 'Sidecar', metadata: { name: 'default' }, spec: {} }],
    ],
  ])('%s', ([problem, manifests]) => {
    expect(() => ask(PAGE, [manifests])).toThrow(problem);
  });
});
