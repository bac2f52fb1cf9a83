/** The model says what a real mesh did, by the recording beside this file (`record.ts` makes it anew). */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { addressOf, explain, inWords } from '../../src/index.ts';
import { sentences } from '../ask.ts';
import { FAULTS } from '../faults.ts';
import { digest, type Recording } from './answers.ts';
import { BASE, CASES, type Case, HOST, NAMESPACE, type Probe } from './cases.ts';

const { versions, cases } = JSON.parse(readFileSync(join(import.meta.dirname, 'recorded.json'), 'utf8')) as Recording;
const recorded = new Map(cases.map((it) => [it.name, it]));

/** Two sides, exact: how likely it is that `n` tries give a count as unlikely as `hits` or more so. */
function binomial(hits: number, n: number, p: number): number {
  const log = (k: number) => Array.from({ length: k }, (_, i) => Math.log(i + 1)).reduce((a, b) => a + b, 0);
  const of = (k: number) => Math.exp(log(n) - log(k) - log(n - k) + k * Math.log(p) + (n - k) * Math.log(1 - p));
  if (p <= 0 || p >= 1) return hits === n * p ? 1 : 0;
  const own = of(hits) * (1 + 1e-9);
  return Array.from({ length: n + 1 }, (_, k) => of(k))
    .filter((it) => it <= own)
    .reduce((a, b) => a + b, 0);
}

/** A right model fails in fewer than one of 10,000 recordings of everything. */
const SIGNIFICANCE = 1e-4 / cases.flatMap(({ probes }) => probes).length;

function modelled({ manifests }: Case, probe: Probe) {
  const { from, method, headers, user } = probe;
  const url = new URL(probe.url, `http://${HOST}`);
  const where = from === 'ingress' ? from : `${from}.${NAMESPACE}`;
  return explain([...BASE, ...manifests], {
    ...addressOf(url),
    method,
    headers,
    from: where,
    now: Date.parse(versions.date) / 1000,
    ...(user && { user }),
  });
}

describe(`Istio ${versions.istio}, Envoy ${versions.envoy}, Kubernetes ${versions.kubernetes}`, () => {
  test.for(CASES.filter(({ name }) => recorded.has(name)).map((it) => [it.name, it] as const))('%s', ([name, it]) => {
    const real = recorded.get(name);
    expect(real?.digest, 'the case is as it was recorded; else record it anew').toBe(digest(BASE, it));
    for (const [i, probe] of it.probes.entries()) {
      const { answers = {} } = real?.probes[i] ?? {};
      const explanation = modelled(it, probe);
      const expected = new Map<string, number>();
      for (const outcome of explanation.outcomes)
        expected.set(inWords(outcome), (expected.get(inWords(outcome)) ?? 0) + outcome.probability);
      // A rate limit holds under load only: what it refused says nothing of the rest.
      const { 429: limited, ...others } = answers;
      if (limited) expect(sentences(explanation)).toContain('may answer 429');
      const n = probe.count - (limited?.count ?? 0);
      const asked = `${probe.method} ${probe.url} from ${probe.from} ${JSON.stringify({ ...probe.headers, user: probe.user })}`;
      const told = `${asked}: the mesh ${JSON.stringify(answers)}, the model ${JSON.stringify([...expected])}`;
      for (const key of Object.keys(others)) expect([...expected.keys()], told).toContain(key);
      for (const [key, share] of expected)
        expect(binomial(others[key]?.count ?? 0, n, Math.min(share, 1)), told).toBeGreaterThan(SIGNIFICANCE);
    }
  });

  test.for(FAULTS.filter(({ name }) => recorded.has(name)).map((it) => [it.name, it] as const))(
    'a real mesh answers a typical mistake as it is said: %s',
    ([name, { expected }]) => {
      const statuses = (answers: object = {}) =>
        [...new Set(Object.keys(answers).map((it) => it.split(' ')[0]))].sort();
      expect(statuses(recorded.get(name)?.probes[0]?.answers)).toEqual(statuses(expected));
    },
  );

  test('every case was recorded, but for those that the API server refuses', () => {
    expect(cases.length).toBeGreaterThan(110);
  });
});
