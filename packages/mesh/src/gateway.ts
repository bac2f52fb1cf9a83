/** What a gateway has open at a port, and which rules it tries there for a host. */
import { conflict, exported, hostFits, mostSpecific, selects, serviceOf } from './hosts.ts';
import { type Rule, rulesOf, rulesOfRoutes } from './rules.ts';
import { atTargetPort, type Workload, type World } from './world.ts';

export interface Listening {
  /** What listens. */
  open: string;
  redirect?: string;
  /** As rules know it: the number in the Gateway, which may be that of the Service. */
  port: number;
  /** The Gateways, as VirtualServices name them. */
  names: string[];
  rules: Rule[];
  /** Why there are no rules. */
  why: string;
  undecided: string[];
}

const GATEWAY_NAME = 'gateway.networking.k8s.io/gateway-name';

export const isOfGatewayApi = ({ labels }: Workload): boolean => GATEWAY_NAME in labels;

/** `port` is that of the pod. A string says why nothing listens there. */
export const listening = (world: World, gateway: Workload, port: number, host: string): Listening | string =>
  isOfGatewayApi(gateway) ? listeners(world, gateway, port, host) : servers(world, gateway, port, host);

/** Servers of Istio's Gateways, and the VirtualServices that name these Gateways. */
function servers(world: World, gateway: Workload, port: number, host: string): Listening | string {
  const service = serviceOf(world, gateway);
  /** A server names a port of the gateway's Service, or else one of its pods. */
  const bound = (number: number) => {
    const found = service?.ports.find((it) => it.port === number);
    return found ? atTargetPort(gateway, found) : number;
  };
  const all = world.of('networking.istio.io/Gateway');
  const selecting = all.filter(({ spec }) => selects(spec.selector ?? {}, gateway.labels));
  if (selecting.length === 0) {
    const others = all.map(({ ref, spec }) => `; ${ref} selects ${JSON.stringify(spec.selector)}`).join('');
    return `no Gateway selects the pods of ${gateway.name}, so nothing listens${others}`;
  }
  const open = selecting.flatMap((it) =>
    it.spec.servers.filter((server) => bound(server.port.number) === port).map((server) => ({ ...it, server })),
  );
  if (open.length === 0) {
    const numbers = selecting.flatMap(({ spec }) => spec.servers.map((it) => it.port.number)).join(', ');
    return `${selecting.map(({ ref }) => ref).join(', ')} opens port ${numbers}, not ${port}`;
  }
  const refs = [...new Set(open.map(({ ref }) => ref))].join(', ');
  const serving = open.filter(({ server }) => server.hosts.some((it) => hostFits(it.replace(/^.*\//, ''), host)));
  const virtual = world.of('networking.istio.io/VirtualService');
  const hostsHere = (it: (typeof virtual)[number]) =>
    serving
      .filter(({ name, namespace }) =>
        it.spec.gateways?.some(
          (named) => named === `${namespace}/${name}` || (named === name && namespace === it.namespace),
        ),
      )
      .flatMap(({ server, namespace }) =>
        it.spec.hosts.filter((own) => server.hosts.some((theirs) => admits(theirs, namespace, own, it.namespace))),
      );
  const visible = virtual.filter((it) => exported(it.spec, it.namespace, gateway.namespace));
  const chosen = mostSpecific(visible, host, hostsHere);
  const elsewhere = virtual.map(
    ({ ref, spec }) => `; ${ref} is for ${(spec.gateways ?? ['mesh']).join(', ')} and host ${spec.hosts.join(', ')}`,
  );
  const redirect = serving.find(({ server }) => server.tls?.httpsRedirect);
  return {
    open: `${refs} opens port ${port}${serving.length > 0 ? ' for' : ', but not for'} host ${host}`,
    ...(redirect && { redirect: `${redirect.ref} redirects to HTTPS` }),
    port: serving[0]?.server.port.number ?? port,
    names: serving.flatMap(({ name, namespace }) => [`${namespace}/${name}`, name]),
    rules: chosen.flatMap(rulesOf),
    why:
      serving.length === 0
        ? `no server of ${refs} is for host ${host}`
        : `no VirtualService is for ${refs} and host ${host}${elsewhere.join('')}`,
    undecided: conflict(chosen, `at ${gateway.name} for host ${host}, whose rules are tried one after the other`),
  };
}

/** Whether a server's host (`*.example.com`, `ns/*`, `./*`) and a VirtualService's host have names in common. */
function admits(server: string, gatewayNamespace: string, host: string, namespace: string): boolean {
  const [pattern = '', scope = '*'] = server.split('/').reverse();
  const inScope = scope === '*' || scope === namespace || (scope === '.' && gatewayNamespace === namespace);
  return inScope && (hostFits(pattern, host) || hostFits(host, pattern));
}

/** Listeners of a Gateway of the Gateway API, and the HTTPRoutes attached to them. */
function listeners(world: World, { labels, namespace }: Workload, port: number, host: string): Listening | string {
  const name = labels[GATEWAY_NAME];
  const own = world
    .of('gateway.networking.k8s.io/Gateway')
    .find((it) => it.name === name && it.namespace === namespace);
  const open = own?.spec.listeners.filter((it) => it.port === port) ?? [];
  if (!own || open.length === 0) return `Gateway ${namespace}/${name} has no listener for port ${port}`;
  const [listener] = mostSpecific(open, host, ({ hostname = '*' }) => [hostname]);
  const attached = world
    .of('gateway.networking.k8s.io/HTTPRoute')
    .filter(
      (it) =>
        (listener?.allowedRoutes?.namespaces?.from === 'All' || it.namespace === namespace) &&
        it.spec.parentRefs?.some(
          (parent) =>
            (parent.kind ?? 'Gateway') === 'Gateway' &&
            parent.name === name &&
            (parent.namespace ?? it.namespace) === namespace &&
            (parent.sectionName ?? listener?.name) === listener?.name &&
            (parent.port ?? port) === port,
        ),
    );
  const chosen = listener ? mostSpecific(attached, host, ({ spec }) => spec.hostnames ?? ['*']) : [];
  return {
    open: `${own.ref} listens on port ${port}${listener ? ' for' : ', but not for'} host ${host}`,
    port,
    names: [`${namespace}/${name}`],
    rules: rulesOfRoutes(chosen),
    why: `no HTTPRoute is attached to ${own.ref} for host ${host}`,
    undecided: [],
  };
}
