/** What the files of the lab make in a cluster, by kind and name. */
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';

const ROOT = join(import.meta.dirname, '..');

export interface Made {
  apiVersion: string;
  kind: string;
  name: string;
  namespace: string;
}

/** What the first lab opens and names. */
export const ROUTING = ['istio/bookinfo-gateway.yaml', 'istio/destination-rule-all.yaml'];
/** Input of other programs, and what belongs to the installation of Istio. */
const OTHERS = ['k8s/kind-cluster.yaml', 'k8s/kustomization.yaml', 'istio/mesh-config*.yaml', 'istio/telemetry.yaml'];

const WITHOUT_NAMESPACE = ['Namespace', 'IngressClass'];

/** What docs/lab.md lets one type, without a file. */
const TYPED: Omit<Made, 'namespace'>[] = [
  { apiVersion: 'v1', kind: 'Pod', name: 'plain' },
  { apiVersion: 'networking.istio.io/v1', kind: 'VirtualService', name: 'canary-deployment' },
  { apiVersion: 'security.istio.io/v1', kind: 'AuthorizationPolicy', name: 'productpage-policy' },
];

interface Document {
  apiVersion: string;
  kind: string;
  metadata: { name: string; namespace?: string };
}

const documents = (file: string): Document[] =>
  parseAllDocuments(readFileSync(join(ROOT, file), 'utf8')).flatMap((it) => (it.toJS() as Document | null) ?? []);

/**
 * What the lessons add to what is deployed and opened in the first lab: routing, policies, workloads, databases. Neither
 * namespaces nor what belongs to none, since others may have put something there.
 * @param namespace of what has none of its own in its file
 */
export function madeByLessons(namespace: string): Made[] {
  const made = (file: string) =>
    documents(file).map(
      ({ apiVersion, kind, metadata }): Made => ({
        apiVersion,
        kind,
        name: metadata.name,
        namespace: metadata.namespace ?? namespace,
      }),
    );
  const lessons = globSync(['k8s/*.yaml', 'istio/*.yaml', 'istio/{gateway-api,ambient,production}/*.yaml'], {
    cwd: ROOT,
    exclude: OTHERS,
  });
  const base = new Set(['k8s/bookinfo.yaml', ...ROUTING].flatMap(made).map(keyOf));
  const all = [...lessons.flatMap(made), ...TYPED.map((it) => ({ ...it, namespace }))];
  const added = all.filter((it) => !WITHOUT_NAMESPACE.includes(it.kind) && !base.has(keyOf(it)));
  return [...new Map(added.map((it) => [keyOf(it), it])).values()];
}

/** Group, not version: a file of v1beta1 makes the same object as one of v1. */
export const keyOf = ({ apiVersion, kind, name, namespace }: Made): string =>
  [apiVersion.includes('/') ? apiVersion.split('/')[0] : '', kind, namespace, name].join(' ');

/** As kubectl knows the kind: `virtualservice.networking.istio.io`. */
export function typeOf({ apiVersion, kind }: Pick<Made, 'apiVersion' | 'kind'>): string {
  const [group, version] = apiVersion.split('/');
  return version === undefined ? kind.toLowerCase() : `${kind.toLowerCase()}.${group}`;
}
