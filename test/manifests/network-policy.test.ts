/** What the network policies let through, worked out by the rules of the API: who may open a connection to whom. */
import { BlockList, isIPv4 } from 'node:net';
import { describe, expect, test } from 'vitest';
import { parse } from './load.ts';

type Labels = Record<string, string>;
interface Selector {
  matchLabels?: Labels;
  matchExpressions?: { key: string; operator: string; values?: string[] }[];
}
interface Peer {
  podSelector?: Selector;
  namespaceSelector?: Selector;
  ipBlock?: { cidr: string; except?: string[] };
}
interface Rule {
  from?: Peer[];
  to?: Peer[];
  ports?: { port: number; protocol?: string }[];
}
interface Policy {
  podSelector: Selector;
  policyTypes: string[];
  ingress?: Rule[];
  egress?: Rule[];
}

/** A pod with its labels, or an address outside of the cluster. */
type End = { namespace: string; labels: Labels } | { address: string };

/** A pod of the namespace of the policies. */
const pod = (app: string, version = 'v1'): End => ({ namespace: 'default', labels: { app, version } });
const foreign = (namespace: string, labels: Labels): End => ({ namespace, labels });
const outside = (address: string): End => ({ address });

function matches({ matchLabels = {}, matchExpressions = [] }: Selector, labels: Labels): boolean {
  return (
    Object.entries(matchLabels).every(([key, value]) => labels[key] === value) &&
    matchExpressions.every(({ key, operator, values = [] }) => {
      if (operator === 'Exists') return key in labels;
      if (operator === 'In') return values.includes(labels[key] ?? '');
      throw new Error(`no ${operator} so far`);
    })
  );
}

function inside(cidr: string, address: string): boolean {
  const [net = '', prefix = ''] = cidr.split('/');
  const block = new BlockList();
  block.addSubnet(net, Number(prefix), isIPv4(net) ? 'ipv4' : 'ipv6');
  return block.check(address, isIPv4(address) ? 'ipv4' : 'ipv6');
}

function isPeer({ podSelector = {}, namespaceSelector, ipBlock }: Peer, end: End): boolean {
  if ('address' in end)
    return (
      ipBlock !== undefined &&
      inside(ipBlock.cidr, end.address) &&
      !ipBlock.except?.some((cidr) => inside(cidr, end.address))
    );
  if (ipBlock) return false;
  const namespace = { 'kubernetes.io/metadata.name': end.namespace };
  const isThere = namespaceSelector ? matches(namespaceSelector, namespace) : end.namespace === 'default';
  return isThere && matches(podSelector, end.labels);
}

/** Whether the policies of one side let a connection pass: none selects it, or one of its rules names the other side. */
function lets(policies: Policy[], type: 'Ingress' | 'Egress', end: End, other: End, port: number, protocol: string) {
  if ('address' in end || end.namespace !== 'default') return true;
  const own = policies.filter(
    ({ podSelector, policyTypes }) => policyTypes.includes(type) && matches(podSelector, end.labels),
  );
  const rules = own.flatMap(({ ingress = [], egress = [] }) => (type === 'Ingress' ? ingress : egress));
  return (
    own.length === 0 ||
    rules.some(({ from, to, ports }) => {
      const peers = from ?? to;
      const isPort = ports?.some((it) => it.port === port && (it.protocol ?? 'TCP') === protocol) ?? true;
      return isPort && (peers?.some((peer) => isPeer(peer, other)) ?? true);
    })
  );
}

const policiesOf = (...files: string[]): Policy[] =>
  files
    .flatMap(parse)
    .filter(({ doc }) => doc.kind === 'NetworkPolicy')
    .map(({ doc }) => doc.spec as Policy);

const connects = (policies: Policy[], from: End, to: End, port: number, protocol = 'TCP'): boolean =>
  lets(policies, 'Egress', from, to, port, protocol) && lets(policies, 'Ingress', to, from, port, protocol);

const gateway = foreign('istio-system', { istio: 'ingressgateway' });
const gatewayApi: End = {
  namespace: 'default',
  labels: { 'gateway.networking.k8s.io/gateway-name': 'bookinfo-gateway' },
};
const dns = foreign('kube-system', { 'k8s-app': 'kube-dns' });
const istiod = foreign('istio-system', { app: 'istiod' });
const jaeger = foreign('istio-system', { app: 'jaeger' });
const prometheus = (namespace: string) => foreign(namespace, { 'app.kubernetes.io/name': 'prometheus' });

describe('network-policy.yaml', () => {
  const policies = policiesOf('k8s/network-policy.yaml');

  test.for<[from: string, to: string, End, End, number, string?]>([
    ['the ingress gateway', 'productpage', gateway, pod('productpage'), 9080],
    ['a gateway of the Gateway API', 'productpage', gatewayApi, pod('productpage'), 9080],
    ['productpage', 'details', pod('productpage'), pod('details'), 9080],
    ['productpage', 'reviews', pod('productpage'), pod('reviews', 'v3'), 9080],
    ['productpage', 'ratings', pod('productpage'), pod('ratings'), 9080],
    ['reviews', 'ratings', pod('reviews', 'v2'), pod('ratings', 'v-faulty'), 9080],
    ['ratings v2', 'MongoDB', pod('ratings', 'v2'), pod('mongodb'), 27017],
    ['ratings v2-mysql', 'MariaDB', pod('ratings', 'v2-mysql'), pod('mysqldb'), 3306],
    ['ratings v2-mysql-vm', 'a machine elsewhere', pod('ratings', 'v2-mysql-vm'), outside('10.1.2.3'), 3306],
    ['details v2', 'Google', pod('details', 'v2'), outside('142.250.206.196'), 443],
    ['reviews', 'the resolver', pod('reviews'), dns, 53, 'UDP'],
    ['reviews', 'a resolver on the node', pod('reviews'), outside('169.254.20.10'), 53, 'UDP'],
    ['reviews', "OpenShift's resolver", pod('reviews'), foreign('openshift-dns', {}), 5353, 'UDP'],
    ['mongodb', 'istiod', pod('mongodb'), istiod, 15012],
    ['details', 'Jaeger', pod('details'), jaeger, 4318],
    ["Istio's Prometheus", 'a sidecar', prometheus('istio-system'), pod('ratings'), 15020],
    ['kube-prometheus-stack', 'a service', prometheus('monitoring'), pod('ratings'), 9080],
  ])('lets %s connect to %s', ([, , from, to, port, protocol]) => {
    expect(connects(policies, from, to, port, protocol)).toBe(true);
  });

  test.for<[from: string, to: string, End, End, number, string?]>([
    ['ratings', 'details', pod('ratings'), pod('details'), 9080],
    ['details', 'ratings', pod('details'), pod('ratings'), 9080],
    ['curl', 'productpage', pod('curl'), pod('productpage'), 9080],
    ['another namespace', 'reviews', foreign('other', { app: 'productpage' }), pod('reviews'), 9080],
    ['ratings v1', 'MongoDB', pod('ratings'), pod('mongodb'), 27017],
    ['ratings v2', 'MariaDB', pod('ratings', 'v2'), pod('mysqldb'), 3306],
    ['ratings v2-mysql', 'MongoDB', pod('ratings', 'v2-mysql'), pod('mongodb'), 27017],
    ['ratings v2', 'port 3306 of MongoDB', pod('ratings', 'v2'), pod('mongodb'), 3306],
    ['ratings v2-mysql-vm', 'the MariaDB of the cluster', pod('ratings', 'v2-mysql-vm'), pod('mysqldb'), 3306],
    ['ratings v1', 'a machine elsewhere', pod('ratings'), outside('10.1.2.3'), 3306],
    ['details v1', 'Google', pod('details'), outside('142.250.206.196'), 443],
    ['details v2', 'the pods of some clouds', pod('details', 'v2'), outside('100.64.1.2'), 443],
    ['details v2', "a cloud's metadata", pod('details', 'v2'), outside('169.254.169.254'), 80],
    ['reviews', 'istiod without TLS', pod('reviews'), istiod, 15010],
    ['reviews', 'another program of istio-system', pod('reviews'), foreign('istio-system', { app: 'kiali' }), 15012],
    ['a client outside', 'productpage', outside('203.0.113.9'), pod('productpage'), 9080],
  ])('keeps %s from %s', ([, , from, to, port, protocol]) => {
    expect(connects(policies, from, to, port, protocol)).toBe(false);
  });
});

test('network-policy-nodeport.yaml lets everybody connect to productpage, and to nothing behind it', () => {
  const policies = policiesOf('k8s/network-policy.yaml', 'k8s/network-policy-nodeport.yaml');
  expect(connects(policies, outside('203.0.113.9'), pod('productpage'), 9080)).toBe(true);
  expect(connects(policies, outside('203.0.113.9'), pod('productpage'), 15020)).toBe(false);
  expect(connects(policies, outside('203.0.113.9'), pod('details'), 9080)).toBe(false);
});

test('production.yaml denies pods that it does not know; network-policy.yaml, made for a shared namespace, does not', () => {
  const stranger = pod('stranger');
  expect(connects(policiesOf('k8s/production.yaml'), stranger, outside('142.250.206.196'), 443)).toBe(false);
  expect(connects(policiesOf('k8s/production.yaml'), outside('10.0.0.1'), stranger, 80)).toBe(false);
  expect(connects(policiesOf('k8s/network-policy.yaml'), stranger, outside('142.250.206.196'), 443)).toBe(true);
});
