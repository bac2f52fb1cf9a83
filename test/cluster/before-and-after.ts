import type { Manifest } from '../manifests/load.ts';
import { exists, files, kubectl, list, ROUTING, rollOut, run } from './kubectl.ts';

const ISTIO_KINDS = [
  ...['virtualservices', 'destinationrules', 'gateways', 'envoyfilters', 'serviceentries'].map(
    (kind) => `${kind}.networking.istio.io`,
  ),
  ...['peerauthentications', 'authorizationpolicies', 'requestauthentications'].map(
    (kind) => `${kind}.security.istio.io`,
  ),
];
const GATEWAY_KINDS = ['gateways.gateway.networking.k8s.io', 'httproutes.gateway.networking.k8s.io'];
const WORKLOAD_KINDS =
  'deployments,statefulsets,services,serviceaccounts,secrets,configmaps,persistentvolumeclaims,networkpolicies';

interface Before {
  routing: Manifest[];
  workloads: Set<string>;
  injection: string | undefined;
  namespaces: Set<string>;
}

const nameOf = ({ kind, metadata }: Manifest): string => `${kind}/${metadata.name}`;

async function routingKinds(): Promise<string> {
  const gatewayApi = await exists('crd', 'httproutes.gateway.networking.k8s.io');
  return [...ISTIO_KINDS, ...(gatewayApi ? GATEWAY_KINDS : [])].join();
}

async function snapshot(): Promise<Before> {
  const kinds = await routingKinds();
  const namespaces = await list('namespaces');
  return {
    routing: [...(await list(kinds)), ...(await list(kinds, '--namespace=istio-system'))],
    workloads: new Set((await list(WORKLOAD_KINDS)).map(nameOf)),
    injection: namespaces.find(({ metadata }) => metadata.name === 'default')?.metadata.labels?.['istio-injection'],
    namespaces: new Set(namespaces.map(nameOf)),
  };
}

/** What `borrowCluster` puts aside of the namespace `default`: `VirtualService/reviews`. */
export const routing = async (): Promise<string[]> => (await list(await routingKinds())).map(nameOf);

/** Why the course day cannot be gone through here. */
export async function whyNot(): Promise<string | undefined> {
  const { code, output } = await run('kubectl', ['get', 'namespaces', '--request-timeout=10s']);
  if (code !== 0) return `no cluster answers: ${output.trim().split('\n').at(-1)}`;
  const istio = await exists('deployment/istiod', '--namespace=istio-system');
  return istio ? undefined : 'Istio is not installed: istioctl install -f istio/mesh-config.yaml -y';
}

/** Lets somebody use the namespace `default` with Bookinfo in it and no routing; then all is as it was. */
export async function borrowCluster(use: () => Promise<void>): Promise<void> {
  // The tests say by themselves why they are skipped.
  if (await whyNot()) return use();
  const before = await snapshot();
  try {
    await prepare();
    await use();
  } finally {
    console.log('Putting everything back');
    await restore(before);
  }
}

async function prepare(): Promise<void> {
  await kubectl(['delete', await routingKinds(), '--all']);
  await kubectl(['label', 'namespace', 'default', 'istio-injection=enabled', '--overwrite']);
  await kubectl(['apply', ...files([...ROUTING, 'k8s/bookinfo.yaml'])]);
  const obstacle = await rollOut('k8s/bookinfo.yaml');
  if (obstacle) throw new Error(obstacle);
}

async function restore(before: Before): Promise<void> {
  // Who uses it may have removed Istio, and with it all that was there.
  if (await whyNot()) return;
  await kubectl(['delete', await routingKinds(), '--all']);
  const routing = before.routing.map(
    ({ apiVersion, kind, metadata: { name, namespace, labels, annotations }, spec }) => ({
      apiVersion,
      kind,
      metadata: { name, namespace, labels, annotations },
      spec,
    }),
  );
  if (routing.length > 0)
    await kubectl(['apply', '--filename=-'], JSON.stringify({ apiVersion: 'v1', kind: 'List', items: routing }));
  const added = (await list(WORKLOAD_KINDS)).map(nameOf).filter((name) => !before.workloads.has(name));
  if (added.length > 0) await kubectl(['delete', '--ignore-not-found', ...added]);
  for (const namespace of (await list('namespaces')).filter((found) => !before.namespaces.has(nameOf(found))))
    await kubectl(['delete', 'namespace', namespace.metadata.name]);
  if (before.injection === undefined) await kubectl(['label', 'namespace', 'default', 'istio-injection-']);
}
