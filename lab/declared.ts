/** What is declared in the cluster: the objects that packages/mesh reads. */
import type { Manifest } from '@bookinfo/mesh';
import { Type } from 'typebox';
import { type Cluster, listOf } from './kubectl.ts';

const KINDS = [
  'services,pods',
  'gateways.networking.istio.io,virtualservices,destinationrules,serviceentries,envoyfilters',
  'peerauthentications,requestauthentications,authorizationpolicies',
].join();
const GATEWAY_API = 'gateways.gateway.networking.k8s.io,httproutes';
/** What the model checks strictly is looked at loosely here. */
const Items = listOf(
  Type.Unsafe<Manifest & { metadata: { deletionTimestamp?: string } }>(
    Type.Object({ apiVersion: Type.String(), kind: Type.String(), metadata: Type.Object({}) }),
  ),
);

/**
 * The objects of these namespaces and of istio-system. What is being deleted is not among them: a pod that ends is out of the
 * lists of its Services at once.
 * @throws {Obstacle} when the cluster does not answer, or does not know Istio's kinds
 */
export async function declaredIn(cluster: Cluster, ...namespaces: string[]): Promise<Manifest[]> {
  const get = async (kinds: string, where: string): Promise<Manifest[]> =>
    (await cluster.get(Items, kinds, `--namespace=${where}`)).items.filter(
      ({ metadata }) => metadata.deletionTimestamp === undefined,
    );
  const gatewayApi = await cluster.has('crd', 'httproutes.gateway.networking.k8s.io');
  const all = await Promise.all([
    ...[...new Set([...namespaces, 'istio-system'])].map((it) => get(KINDS, it)),
    ...(gatewayApi ? namespaces.map((it) => get(GATEWAY_API, it)) : []),
  ]);
  return all.flat();
}
