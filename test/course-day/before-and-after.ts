import type { Manifest } from '../manifests/load.ts';
import { deploy, exists, kubectl, list, reset } from './cluster.ts';
import { session } from './session.ts';

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

export interface Before {
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

export async function snapshot(): Promise<Before> {
  const kinds = await routingKinds();
  const namespaces = await list('namespaces');
  return {
    routing: [...(await list(kinds)), ...(await list(kinds, '--namespace=istio-system'))],
    workloads: new Set((await list(WORKLOAD_KINDS)).map(nameOf)),
    injection: namespaces.find(({ metadata }) => metadata.name === 'default')?.metadata.labels?.['istio-injection'],
    namespaces: new Set(namespaces.map(nameOf)),
  };
}

export async function prepare(): Promise<void> {
  await kubectl(['delete', await routingKinds(), '--all']);
  await kubectl(['label', 'namespace', 'default', 'istio-injection=enabled', '--overwrite']);
  await reset();
  await deploy('k8s/bookinfo.yaml');
  session.applied = [];
}

export async function restore(before: Before): Promise<void> {
  console.log('Putting everything back');
  await reset();
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
