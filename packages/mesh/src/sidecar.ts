/** Which rules a sidecar tries for a host of the mesh, and which DestinationRule it takes for a Service. */

import { conflict, exported, fqdn, mostSpecific, selects } from './hosts.ts';
import type { HttpMatch, SpecOf, TrafficPolicy } from './kinds.ts';
import { type Matcher, type Rule, rulesOf, rulesOfRoutes } from './rules.ts';
import { ROOT_NAMESPACE, type Service, type World } from './world.ts';

export interface MeshRules {
  /** Undefined: none holds, and the pods of the Service share the requests. */
  rules: Rule[] | undefined;
  /** What does not hold although it names the host, each in a sentence. */
  ignored: string[];
  undecided: string[];
}

/** `host` is a full name: `reviews.default.svc.cluster.local` or that of a ServiceEntry. */
export function meshRules(world: World, client: Matcher, host: string, namespace: string, port: number): MeshRules {
  const all = world.of('networking.istio.io/VirtualService');
  const hostsOf = (it: (typeof all)[number]) => it.spec.hosts.map((own) => fqdn(own, it.namespace));
  const inMesh = all.filter((it) => (it.spec.gateways ?? ['mesh']).includes('mesh'));
  const usable = inMesh.filter(
    (it) =>
      exported(it.spec, it.namespace, client.namespace) &&
      it.spec.http?.some(({ match }) => !match || match.some((one) => holdsHere(one, port, client))),
  );
  const virtual = mostSpecific(usable, host, hostsOf);
  const routes = world
    .of('gateway.networking.k8s.io/HTTPRoute')
    .filter(
      (it) =>
        [namespace, client.namespace].includes(it.namespace) &&
        it.spec.parentRefs?.some(
          (parent) =>
            parent.kind === 'Service' &&
            fqdn(parent.name, parent.namespace ?? it.namespace) === host &&
            (parent.port ?? port) === port,
        ),
    );
  const [first, ...others] = virtual;
  const ignored = all
    .filter((it) => !inMesh.includes(it) && hostsOf(it).includes(host))
    .map(
      ({ ref, spec }) => `${ref} is for gateways ${spec.gateways?.join(', ')} only, not for requests inside the mesh`,
    );
  if (!first) return { rules: routes.length > 0 ? rulesOfRoutes(routes) : undefined, ignored, undecided: [] };
  const losers = [...others, ...routes];
  return {
    rules: rulesOf(first),
    ignored: [...ignored, ...losers.map(({ ref }) => `${ref} is ignored: ${first.ref} has the host already`)],
    undecided: conflict([first, ...losers], `for host ${host}, and only the first one holds`),
  };
}

/** What of a match is decided before any request comes. */
function holdsHere({ gateways, port, sourceLabels, sourceNamespace }: HttpMatch, to: number, client: Matcher): boolean {
  if (port !== undefined && port !== to) return false;
  if (gateways) return gateways.some((it) => client.gateways.includes(it));
  return selects(sourceLabels ?? {}, client.labels) && (sourceNamespace ?? client.namespace) === client.namespace;
}

type Subset = NonNullable<SpecOf<'networking.istio.io/DestinationRule'>['subsets']>[number];
/** What DestinationRules say of connections to a Service, for one caller. */
export interface Destinations {
  /** The rules, by name; empty when there is none. */
  refs: string;
  policy: TrafficPolicy | undefined;
  subsets: Subset[];
  undecided: string[];
}

/** Of the caller's namespace, else of the Service's, else of the root namespace; those of one namespace as one. */
export function destinationRules(
  world: World,
  client: Matcher,
  service: Pick<Service, 'host' | 'namespace'>,
): Destinations {
  for (const namespace of [client.namespace, service.namespace, ROOT_NAMESPACE]) {
    const visible = world
      .of('networking.istio.io/DestinationRule')
      .filter((it) => it.namespace === namespace && exported(it.spec, namespace, client.namespace));
    const found = mostSpecific(visible, service.host, (it) => [fqdn(it.spec.host, namespace)]);
    if (found.length === 0) continue;
    const withPolicy = found.filter(({ spec }) => spec.trafficPolicy);
    return {
      refs: found.map(({ ref }) => ref).join(', '),
      policy: withPolicy[0]?.spec.trafficPolicy,
      subsets: found.flatMap(({ spec }) => spec.subsets ?? []),
      undecided: conflict(withPolicy, `for ${service.host}, of which the traffic policy of the first one holds`),
    };
  }
  return { refs: '', policy: undefined, subsets: [], undecided: [] };
}

/** The setting at a port: that of the subset before that of the rule. A port-level policy replaces the one around it. */
export function settingAt<K extends 'tls' | 'outlierDetection' | 'connectionPool'>(
  policies: (TrafficPolicy | undefined)[],
  port: number,
  key: K,
) {
  for (const policy of policies) {
    const level = policy?.portLevelSettings?.find((it) => it.port?.number === port);
    const found = (level ?? policy)?.[key];
    if (found) return found;
  }
  return undefined;
}
