/** Manifests as the mesh sees them: checked, the last of a name kept, older ones first, pods found for workloads. */
import { Type } from 'typebox';
import { Compile, type Validator } from 'typebox/compile';
import { fqdn, selects } from './hosts.ts';
import { IRRELEVANT, type KindName, SPECS, type SpecOf } from './kinds.ts';

/** A parsed Kubernetes object, of a file or of `kubectl get -o json`. */
export interface Manifest {
  apiVersion: string;
  kind: string;
  metadata?: {
    name?: string;
    namespace?: string;
    labels?: Record<string, string>;
    annotations?: Record<string, string>;
    creationTimestamp?: string | null;
    ownerReferences?: { kind: string; name: string }[];
  };
  spec?: unknown;
  status?: unknown;
  items?: Manifest[];
}

export type Labels = Record<string, string>;
export interface Resource<K extends KindName> {
  name: string;
  namespace: string;
  /** `VirtualService default/reviews`, as it is named in every reason. */
  ref: string;
  /** Of the API server; a file has none, and which of two is the older one is then not known. */
  created: string | undefined;
  labels: Labels;
  annotations: Labels;
  spec: SpecOf<K>;
}

export interface ServicePort {
  port: number;
  targetPort: number | string;
  name: string | undefined;
  /** As Istio reads it from `appProtocol` or the name of the port; `auto`: no known prefix, so that the proxy looks. */
  protocol: 'http' | 'tcp' | 'auto';
}
export interface Service {
  name: string;
  namespace: string;
  /** `reviews.default.svc.cluster.local`. */
  host: string;
  ref: string;
  selector: Labels | undefined;
  ports: ServicePort[];
}

export interface Workload {
  name: string;
  namespace: string;
  labels: Labels;
  serviceAccount: string;
  /** Pods that are ready; from a file, as many as it asks for. */
  ready: number;
  sidecar: boolean;
  /** A pod that is a proxy and nothing else. */
  gateway: boolean;
  env: Record<string, string>;
  /** What its containers declare, by name, else by number. */
  ports: Record<string, number>;
}

export interface World {
  of<K extends KindName>(kind: K): Resource<K>[];
  services: Service[];
  workloads: Workload[];
  /** What was left out, and what was assumed. */
  notes: string[];
}

/** Something in the input that the model does not know: by kind, name and field. */
export class Refusal extends Error {
  readonly problems: string[];
  constructor(problems: string[]) {
    super(problems.join('\n'));
    this.problems = problems;
  }
}

export const ROOT_NAMESPACE = 'istio-system';
export const TRUST_DOMAIN = 'cluster.local';

export const principalOf = ({ namespace, serviceAccount }: Workload): string =>
  `${TRUST_DOMAIN}/ns/${namespace}/sa/${serviceAccount}`;
export const atTargetPort = ({ ports }: Workload, { targetPort }: ServicePort): number | undefined =>
  typeof targetPort === 'number' ? targetPort : ports[targetPort];

const validators = new Map<KindName, Validator>();
const kindName = ({ apiVersion, kind }: Manifest): string =>
  `${apiVersion.includes('/') ? apiVersion.split('/')[0] : ''}/${kind}`;
const isKnown = (name: string): name is KindName => name in SPECS;

/** What every kind has in common. */
const Envelope = Type.Object({
  apiVersion: Type.String(),
  kind: Type.String(),
  metadata: Type.Optional(
    Type.Object({
      name: Type.Optional(Type.String()),
      namespace: Type.Optional(Type.String()),
      labels: Type.Optional(Type.Record(Type.String(), Type.String())),
      annotations: Type.Optional(Type.Record(Type.String(), Type.String())),
    }),
  ),
  items: Type.Optional(Type.Array(Type.Unknown())),
});
const isObject = Compile(Envelope);

/** @throws {Refusal} for what is no object of Kubernetes */
function listed(manifest: Manifest): Manifest[] {
  if (!isObject.Check(manifest))
    throw new Refusal([
      `no object of Kubernetes, which has apiVersion, kind and metadata: ${JSON.stringify(manifest).slice(0, 80)}`,
    ]);
  return manifest.kind.endsWith('List') ? (manifest.items ?? []).flatMap(listed) : [manifest];
}

/** The fields of a manifest that the model does not know or cannot read, each as one sentence. */
function problemsOf(name: KindName, ref: string, spec: unknown): string[] {
  const validator = validators.get(name) ?? Compile(SPECS[name]);
  validators.set(name, validator);
  const found = validator.Errors(spec ?? {});
  const sentences = found.flatMap(({ keyword, instancePath, message, schemaPath }) => {
    const field = `spec${instancePath.replaceAll('/', '.').replace(/\.(\d+)(?=\.|$)/g, '[$1]')}`;
    if (keyword === 'additionalProperties') return [];
    if (schemaPath.endsWith('/additionalProperties')) return [`${ref}: ${field} is not a field that this model knows`];
    return [`${ref}: ${field} ${message}`];
  });
  return [...new Set(sentences)];
}

/** @throws {Refusal} when a kind or a field is not known. */
export function readManifests(manifests: Manifest[]): World {
  const documents = manifests.flatMap(listed);
  const problems: string[] = [];
  const notes: string[] = [];
  const kept = new Map<string, { kind: KindName; resource: Resource<KindName>; manifest: Manifest }>();
  const injected = new Map<string, boolean>();
  for (const manifest of documents) {
    const { metadata = {} } = manifest;
    const kind = kindName(manifest);
    const { name = '', namespace = 'default', labels = {}, annotations = {} } = metadata;
    const ref = `${manifest.kind} ${namespace}/${name}`;
    if (kind === '/Namespace') {
      if (labels['istio.io/dataplane-mode'] === 'ambient')
        problems.push(`Namespace ${name}: metadata.labels.istio.io/dataplane-mode: ambient mode is not modelled`);
      injected.set(name, labels['istio-injection'] === 'enabled' || 'istio.io/rev' in labels);
    } else if (kind === 'networking.k8s.io/NetworkPolicy') {
      notes.push(`${ref} is left out: it cuts connections below the mesh`);
    } else if (isKnown(kind)) {
      const own = problemsOf(kind, ref, manifest.spec);
      problems.push(...own);
      if (own.length > 0) continue;
      const created = metadata.creationTimestamp ?? undefined;
      const spec = (manifest.spec ?? {}) as SpecOf<KindName>;
      kept.set(`${kind} ${namespace}/${name}`, {
        kind,
        manifest,
        resource: { name, namespace, ref, created, labels, annotations, spec },
      });
    } else if (!IRRELEVANT.has(kind)) problems.push(`${ref}: this model does not know the kind`);
  }
  if (problems.length > 0) throw new Refusal(problems);

  // As istiod sorts: by age, then by name.
  const order = ({ resource: { created = '', name, namespace } }: { resource: Resource<KindName> }) =>
    `${created} ${name} ${namespace}`;
  const sorted = [...kept.values()].sort((a, b) => (order(a) < order(b) ? -1 : 1));
  const of = <K extends KindName>(wanted: K) =>
    sorted.filter(({ kind }) => kind === wanted).map(({ resource }) => resource as Resource<K>);

  const pods = sorted.filter(({ kind }) => kind === '/Pod');
  const workloads =
    pods.length > 0
      ? pods.map(({ manifest, resource }) => podWorkload(resource as Resource<'/Pod'>, manifest))
      : [...of('apps/Deployment'), ...of('apps/StatefulSet')].map((it) => plannedWorkload(it, injected));
  const services = of('/Service').map(asService);
  addInstalled({ of, services, workloads, notes });
  if (pods.length === 0 && workloads.some(({ namespace, sidecar }) => sidecar && !injected.has(namespace)))
    notes.push('assumed: namespaces have the label istio-injection=enabled, and every pod that is asked for is ready');
  return { of, services, workloads: merged(workloads), notes };
}

const environment = (env: { name: string; value?: string }[] = []) =>
  Object.fromEntries(env.flatMap(({ name, value }) => (value === undefined ? [] : [[name, value]])));

function fromPod(spec: SpecOf<'/Pod'>) {
  const app = spec.containers.filter(({ name }) => name !== 'istio-proxy');
  const proxy = [...spec.containers, ...(spec.initContainers ?? [])].some(({ name }) => name === 'istio-proxy');
  const ports = app.flatMap(({ ports = [] }) => ports.map((it) => [it.name ?? it.containerPort, it.containerPort]));
  return {
    serviceAccount: spec.serviceAccountName ?? 'default',
    env: environment(app.flatMap(({ env = [] }) => env)),
    ports: Object.fromEntries(ports) as Record<string, number>,
    proxy,
    gateway: proxy && app.length === 0,
  };
}

function podWorkload({ name, namespace, labels, spec }: Resource<'/Pod'>, manifest: Manifest): Workload {
  const { proxy, ...rest } = fromPod(spec);
  const owner = manifest.metadata?.ownerReferences?.[0];
  const hash = labels['pod-template-hash'];
  const workload = owner?.kind === 'ReplicaSet' && hash ? owner.name.replace(`-${hash}`, '') : (owner?.name ?? name);
  const status = manifest.status as { conditions?: { type: string; status: string }[] } | undefined;
  const ready = status?.conditions?.some((it) => it.type === 'Ready' && it.status === 'True') ?? false;
  return { name: workload, namespace, labels, ...rest, ready: ready ? 1 : 0, sidecar: proxy && !rest.gateway };
}

function plannedWorkload(
  { name, namespace, spec }: Resource<'apps/Deployment' | 'apps/StatefulSet'>,
  injected: Map<string, boolean>,
): Workload {
  const { proxy, ...rest } = fromPod(spec.template.spec);
  const labels = spec.template.metadata?.labels ?? {};
  const wish = labels['sidecar.istio.io/inject'] ?? spec.template.metadata?.annotations?.['sidecar.istio.io/inject'];
  const sidecar = proxy || (wish ? wish === 'true' : (injected.get(namespace) ?? namespace !== ROOT_NAMESPACE));
  return { name, namespace, labels, ...rest, ready: spec.replicas ?? 1, sidecar: sidecar && !rest.gateway };
}

function protocolOf(name: string | undefined, appProtocol: string | undefined, port: number): ServicePort['protocol'] {
  const said = (appProtocol?.replace('kubernetes.io/', '') ?? name?.split('-')[0] ?? '').toLowerCase();
  if (['http', 'http2', 'h2c', 'grpc'].includes(said)) return 'http';
  if (['tcp', 'tls', 'https', 'mongo', 'mysql', 'redis', 'udp'].includes(said)) return 'tcp';
  // Where the server speaks first, so that looking at the first bytes would wait for ever.
  return [25, 3306].includes(port) ? 'tcp' : 'auto';
}

function asService({ name, namespace, ref, spec }: Resource<'/Service'>): Service {
  const ports = (spec.ports ?? []).map(({ name: portName, port, targetPort, appProtocol }) => ({
    port,
    targetPort: targetPort ?? port,
    name: portName,
    protocol: protocolOf(portName, appProtocol, port),
  }));
  return { name, namespace, host: fqdn(name, namespace), ref, selector: spec.selector, ports };
}

/** What istioctl installs with the demo profile, and the gateways that Istio runs for the Gateway API, unless given. */
function addInstalled({ of, services, workloads }: World): void {
  const add = (name: string, namespace: string, labels: Labels, account: string, ports: [number, number][]) => {
    const selector = Object.fromEntries(Object.entries(labels).slice(0, 1));
    if (workloads.some((it) => it.namespace === namespace && selects(selector, it.labels))) return;
    const common = { name, namespace, labels, serviceAccount: account, env: {}, ports: {} };
    workloads.push({ ...common, ready: 1, sidecar: false, gateway: true });
    if (services.some((it) => it.name === name && it.namespace === namespace)) return;
    const asPorts = ports.map(([port, targetPort]) => ({ port, targetPort, name: 'http', protocol: 'http' as const }));
    const ref = `Service ${namespace}/${name}`;
    services.push({ name, namespace, host: fqdn(name, namespace), ref, selector: labels, ports: asPorts });
  };
  for (const side of ['ingressgateway', 'egressgateway']) {
    const name = `istio-${side}`;
    add(name, ROOT_NAMESPACE, { istio: side, app: name }, `${name}-service-account`, [
      [80, 8080],
      [443, 8443],
    ]);
  }
  for (const { name, namespace, spec } of of('gateway.networking.k8s.io/Gateway')) {
    const ports = spec.listeners.map(({ port }): [number, number] => [port, port]);
    const label = { 'gateway.networking.k8s.io/gateway-name': name };
    add(`${name}-istio`, namespace, label, `${name}-istio`, ports);
  }
}

/** Pods of one workload as one. */
function merged(workloads: Workload[]): Workload[] {
  const byName = new Map<string, Workload>();
  for (const workload of workloads) {
    const key = `${workload.namespace}/${workload.name} ${workload.labels['pod-template-hash'] ?? ''} ${workload.sidecar}`;
    const same = byName.get(key);
    byName.set(key, same ? { ...same, ready: same.ready + workload.ready } : workload);
  }
  return [...byName.values()];
}
