/** What is input of tools other than kubectl: a cluster for kind, an Istio for istioctl. */

import { expect, test } from 'vitest';
import { parse as parseYaml } from 'yaml';
import { appliedFiles, parse, text } from './load.ts';

interface Kind {
  apiVersion: string;
  kind: string;
  nodes: { role: string; extraPortMappings: { containerPort: number; hostPort: number }[] }[];
}
const cluster = parseYaml(text('k8s/kind-cluster.yaml')) as Kind;
const mapped = cluster.nodes.flatMap((node) => node.extraPortMappings);

test('kind-cluster.yaml maps the ports of a gateway and three node ports, each to itself', () => {
  expect([cluster.apiVersion, cluster.kind]).toEqual(['kind.x-k8s.io/v1alpha4', 'Cluster']);
  expect(mapped.map(({ hostPort }) => hostPort)).toEqual([80, 443, 30080, 30081, 30082]);
  for (const { containerPort, hostPort } of mapped) expect(containerPort).toBe(hostPort);
});

test('kind-cluster.yaml maps every node port that a file asks for', () => {
  const asked = appliedFiles()
    .filter((file) => file.startsWith('k8s/'))
    .flatMap(parse)
    .flatMap(({ doc }) => (doc.spec as { ports?: { nodePort?: number }[] } | undefined)?.ports ?? [])
    .flatMap(({ nodePort }) => nodePort ?? []);
  expect(asked).toEqual([30080]);
  expect(mapped.map(({ containerPort }) => containerPort)).toEqual(expect.arrayContaining(asked));
});

test('the profile without gateways is demo, with the gateways that the lab has switched off', () => {
  interface Operator {
    spec: { profile: string; components: Record<string, { name: string; enabled: boolean }[]> };
  }
  const gateways = (file: string) => {
    const { profile, components } = (parseYaml(text(file)) as Operator).spec;
    return { profile, list: Object.entries(components).flatMap(([kind, list]) => list.map((it) => ({ kind, ...it }))) };
  };
  const lab = gateways('istio/mesh-config.yaml');
  const none = gateways('samples/bookinfo/demo-profile-no-gateways.yaml');
  expect(none.profile).toBe(lab.profile);
  expect(none.list).toEqual(lab.list.map(({ kind, name }) => ({ kind, name, enabled: false })));
});

test.for(['k8s/kind-cluster.yaml', 'samples/bookinfo/demo-profile-no-gateways.yaml'])(
  '%s starts with what it is and how to see it',
  (file) => {
    const [shows, seeIt, next] = text(file).split('\n');
    expect(shows).toMatch(/^# \S.*\.$/);
    expect(seeIt).toMatch(/^# See it: \S/);
    expect(next).toBe('');
  },
);
