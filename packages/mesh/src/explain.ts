/** What would the mesh do with this request? The way through proxies and pods, with the reason at each fork. */
import { answer, type Call } from './bookinfo.ts';
import { isOfGatewayApi, listening } from './gateway.ts';
import { exported, fqdn, hostFits, selected, selects, serviceAt, serviceOf } from './hosts.ts';
import type { Destination, HttpRule, TrafficPolicy } from './kinds.ts';
import { followed, later, merge, type Outcome, outcome, percent, round, weighted, within } from './outcomes.ts';
import { authorize, type Claims, checkToken, idlePolicies, mtlsMode } from './policies.ts';
import { type Matcher, type Message, mismatch, type Rule, rewritten, seconds } from './rules.ts';
import { destinationRules, meshRules, settingAt } from './sidecar.ts';
import {
  atTargetPort,
  type Labels,
  type Manifest,
  principalOf,
  readManifests,
  type Service,
  type ServicePort,
  type Workload,
  type World,
} from './world.ts';

export interface Request extends Message {
  /**
   * `ingress`: from outside, through the gateway. Else the name of a workload or a gateway: `curl`, `curl.default`. Without its
   * namespace it is that of `default`, if there is one.
   */
  from: string;
  /** Who is signed in at the product page. */
  user?: string;
  /** Seconds since 1970; the life of a token is judged by it. */
  now: number;
}

/** Where a request to an `http:` URL goes. */
export function addressOf({ hostname, port, pathname, search }: URL): Pick<Request, 'host' | 'port' | 'path'> {
  return { host: hostname, port: Number(port || 80), path: pathname + search };
}

/** A decision on the way, and what follows from it. */
export interface Step {
  text: string;
  /** Of the requests that come to this fork, of 1. */
  share?: number;
  /** A proxy answers in the program's place or lets it wait, or there is no connection. */
  trouble?: true;
  /** Rules that did not hold. */
  skipped: Skipped[];
  /** Pods that the rule does not lead to, of the Services that it leads to. */
  unreached?: Skipped[];
  steps: Step[];
}

/** What was passed over, why, and where it would have led: workloads, versions, subsets, statuses. */
export interface Skipped {
  ref: string;
  reason: string;
  leadsTo: string[];
}

export interface Explanation {
  request: Request;
  /** The likeliest first; the probabilities sum up to 1. */
  outcomes: Outcome[];
  steps: Step[];
  /** Conflicts that Istio's documentation does not decide, each with what is assumed here. */
  undecided: string[];
  /** What was left out or assumed. */
  notes: string[];
}

/** `from` is no workload of the manifests. */
export class UnknownSource extends Error {}

interface Context {
  world: World;
  user: string | undefined;
  now: number;
  undecided: Set<string>;
  notes: Set<string>;
  calls: number;
}

/** Who decides: a sidecar or a gateway, with its workload's identity; or, without a proxy, the program itself. */
interface Client extends Matcher {
  name: string;
  workload: Workload;
  proxy: boolean;
}

/** A request at a proxy. */
interface Hop {
  context: Context;
  client: Client;
  message: Message;
  /** Where decisions are written down. */
  steps: Step[];
}

/** A Service, the subset of its pods, and what DestinationRules say of connections to them, the subset's own first. */
interface Target {
  service: Service;
  port: ServicePort;
  subset?: Labels | undefined;
  policies: (TrafficPolicy | undefined)[];
}

interface Retries {
  attempts?: number;
  perTryTimeout?: string | undefined;
  retryOn?: string;
}
/** What Istio sets where a route says nothing. None of these is an answer of a program. */
const DEFAULT_RETRIES: Retries = { attempts: 2, retryOn: 'connect-failure,refused-stream,unavailable,cancelled' };

const MAX_CALLS = 50;

/**
 * Explains one request, from its source to the programs that answer it, with the requests that these make in turn.
 * @throws {Refusal} for a kind or a field that the model does not know
 * @throws {UnknownSource} when `from` names no workload
 */
export function explain(manifests: Manifest[], request: Request): Explanation {
  const world = readManifests(manifests);
  const { user, now, from, ...message } = request;
  const context = {
    world,
    user,
    now,
    undecided: new Set<string>(),
    notes: new Set([...world.notes, ...idlePolicies(world)]),
    calls: 0,
  };
  const source = sourceOf(world, from);
  const steps: Step[] = [];
  const outcomes = source.gateway
    ? enter(context, source, message, steps)
    : send(context, source, { ...message, how: '' }, steps);
  return {
    request,
    outcomes: merge(outcomes).map((it) => ({ ...it, probability: round(it.probability) })),
    steps,
    undecided: [...context.undecided],
    notes: [...context.notes],
  };
}

function sourceOf({ workloads, of }: World, from: string): Workload {
  const gateways = workloads.filter(({ gateway }) => gateway);
  const classic = gateways.find(({ labels }) => labels.istio === 'ingressgateway');
  const modern = gateways.find(isOfGatewayApi);
  const ingress = of('networking.istio.io/Gateway').length === 0 ? (modern ?? classic) : classic;
  if (from === 'ingress' && ingress) return ingress;
  const [name, namespace] = from.split('.');
  const isDefault = (it: Workload): boolean => it.namespace === 'default';
  const fitting = namespace
    ? workloads.filter((it) => it.namespace === namespace)
    : [...workloads.filter(isDefault), ...workloads.filter((it) => !isDefault(it))];
  const found = fitting.find((it) => it.name === name) ?? fitting.find((it) => it.labels.app === name);
  if (found) return found;
  throw new UnknownSource(`no workload is called ${from}; there are ${workloads.map((it) => it.name).join(', ')}`);
}

function note(steps: Step[], text: string, more: Partial<Step> = {}): Step {
  const step = { text, skipped: [], steps: [], ...more };
  steps.push(step);
  return step;
}

/** An answer that a proxy gives in the program's place. */
function refuse(
  { client, steps }: Pick<Hop, 'client' | 'steps'>,
  status: number,
  reason: string,
  by = client.name,
): Outcome[] {
  note(steps, `${status}: ${reason}`, { trouble: true });
  return [outcome(status, by, { reason })];
}

/** No connection: a proxy makes 503 of it; a program sees it fail if it has no proxy, or one that passes on bytes (`raw`). */
function disconnect(hop: Hop, reason: string, raw = false): Outcome[] {
  if (hop.client.proxy && !raw) return refuse(hop, 503, reason);
  note(hop.steps, reason, { trouble: true });
  return [outcome('none', hop.client.name, { reason })];
}

/** From outside to a gateway, at a port of its Service. */
function enter(context: Context, gateway: Workload, message: Message, steps: Step[]): Outcome[] {
  const ports = serviceOf(context.world, gateway)?.ports ?? [];
  const port = ports.find((it) => it.port === message.port) ?? ports.find((it) => it.port === 80);
  if (!port) return [outcome('none', gateway.name, { reason: `${gateway.name} has no port ${message.port}` })];
  if (port.port !== message.port)
    context.notes.add(`port ${message.port} is taken for a forwarded port ${port.port} of ${gateway.name}`);
  const target = atTargetPort(gateway, port) ?? port.port;
  const way = target === port.port ? `port ${target}` : `port ${port.port} of its Service, ${target} of the pod`;
  const step = note(steps, `from outside to ${gateway.name}, ${way}`);
  return throughGateway(context, gateway, { ...message, port: target }, undefined, step.steps);
}

function throughGateway(
  context: Context,
  gateway: Workload,
  message: Message,
  principal: string | undefined,
  steps: Step[],
): Outcome[] {
  const { world, undecided } = context;
  const { name, labels, namespace } = gateway;
  const here = listening(world, gateway, message.port, message.host);
  if (typeof here === 'string') {
    note(steps, here, { trouble: true });
    return [outcome('none', name, { reason: here })];
  }
  note(steps, here.open);
  for (const it of here.undecided) undecided.add(it);
  const client = { name, workload: gateway, proxy: true, gateways: here.names, labels, namespace, claims: undefined };
  const hop: Hop = { context, client, message, steps };
  const { refusal, claims } = guard(hop, gateway, principal);
  if (refusal) return refusal;
  if (here.redirect) return refuse(hop, 301, here.redirect);
  if (here.rules.length === 0) return refuse(hop, 404, `no route on this gateway: ${here.why}`);
  const admitted = { ...hop, client: { ...client, claims }, message: { ...message, port: here.port } };
  return route(admitted, here.rules);
}

/** A request that the program of a workload makes. */
function send(context: Context, workload: Workload, call: Call, callerSteps: Step[]): Outcome[] {
  const { how, ...message } = call;
  const { world } = context;
  const { name, labels, namespace, sidecar } = workload;
  const { steps } = note(
    callerSteps,
    `${name} asks ${message.method} ${message.host}:${message.port}${message.path}${how}`,
  );
  const client = {
    name: sidecar ? `the sidecar of ${name}` : name,
    workload,
    proxy: sidecar,
    gateways: ['mesh'],
    labels,
    namespace,
    claims: undefined,
  };
  const hop: Hop = { context, client, message, steps };
  context.calls += 1;
  if (context.calls > MAX_CALLS) return refuse(hop, 503, 'these requests go in circles');
  const service = serviceAt(world, message.host, namespace);
  if (!service) return outside(hop);
  const port = service.ports.find((it) => it.port === message.port);
  if (!port) return disconnect(hop, noPort(service, message.port), true);
  if (!sidecar) {
    note(
      steps,
      `${name} has no sidecar: no route and no DestinationRule holds; Kubernetes picks a pod of ${service.ref}`,
    );
    return toPods(hop, { service, port, policies: [] }, {});
  }
  if (port.protocol === 'tcp') {
    note(steps, `port ${port.port} of ${service.ref} is named "${port.name}": TCP to Istio, so no HTTP route holds`);
    return toPods(hop, { service, port, policies: [destinationRules(world, client, service).policy] }, {});
  }
  const { rules, ignored, undecided } = meshRules(world, client, service.host, service.namespace, message.port);
  for (const it of ignored) note(steps, it);
  for (const it of undecided) context.undecided.add(it);
  if (rules) return route(hop, rules);
  note(steps, `no route for ${service.name}: all its pods share the requests`);
  return toPods(hop, { service, port, policies: [destinationRules(world, client, service).policy] }, DEFAULT_RETRIES);
}

const noPort = ({ ref, ports }: Service, port: number): string =>
  `${ref} has no port ${port}, only ${ports.map((it) => it.port).join(', ')}`;

/** The first rule that matches. */
function route(hop: Hop, rules: Rule[]): Outcome[] {
  const { message, client, steps } = hop;
  const skip = (rule: Rule, reason: string) => ({ ref: rule.ref, reason, leadsTo: leadsTo(hop, rule) });
  const skipped: Skipped[] = [];
  for (const [i, rule] of rules.entries()) {
    const matches = rule.http.match ?? [{}];
    const reasons = matches.map((it) => mismatch(it, message, client, rule.gatewayApi));
    const fitting = matches[reasons.indexOf(undefined)];
    if (!fitting) {
      skipped.push(skip(rule, [...new Set(reasons)].join('; ')));
      continue;
    }
    const rest = rules.slice(i + 1).map((it) => skip(it, `${rule.ref} matches first`));
    const step = note(steps, `${rule.ref} matches`, {
      skipped: [...skipped, ...rest],
      unreached: unreached(hop, rule),
    });
    return perform({ ...hop, message: rewritten(message, rule, fitting), steps: step.steps }, rule);
  }
  const reason = `no rule of ${[...new Set(rules.map(({ resource }) => resource))].join(', ')} matches`;
  note(steps, `404: ${reason}`, { skipped, trouble: true });
  return [outcome(404, client.name, { reason })];
}

/** The pods of the Service that a destination names, each with what it may be called, and whether the destination is it. */
function podsOf({ context: { world }, client }: Hop, { host, subset }: Destination, namespace: string) {
  const service = serviceAt(world, fqdn(host, namespace), namespace);
  if (!service) return [];
  const { subsets } = destinationRules(world, client, service);
  return selected(world, service).map(({ name, labels }) => {
    const own = subsets.filter((it) => selects(it.labels ?? {}, labels)).map((it) => it.name);
    return { name, called: [name, labels.version, ...own], meant: subset === undefined || own.includes(subset) };
  });
}

function leadsTo(hop: Hop, { http, namespace }: Rule): string[] {
  const pods = destinationsOf(http).flatMap(({ destination }) => [
    destination.subset,
    ...podsOf(hop, destination, namespace).flatMap(({ called, meant }) => (meant ? called : [])),
  ]);
  const redirect = http.redirect && (http.redirect.redirectCode ?? 301);
  const statuses = [http.fault?.abort?.httpStatus, http.directResponse?.status, redirect];
  return [...new Set([...pods, ...statuses].filter((it) => it !== undefined).map(String))];
}

function unreached(hop: Hop, { http, namespace, ref }: Rule): Skipped[] {
  const destinations = destinationsOf(http).map(({ destination }) => destination);
  const pods = destinations.flatMap((it) => podsOf(hop, it, namespace));
  const reached = pods.filter(({ meant }) => meant).map(({ name }) => name);
  const reason = `${ref} leads to ${destinations.map(named).join(', ')}`;
  return pods
    .filter(({ name }) => !reached.includes(name))
    .map(({ name, called }) => ({ ref: name, reason, leadsTo: called.filter((it) => it !== undefined) }));
}

/** Envoy's filter for faults comes before its router: a fault is neither retried nor cut off by the timeout of its rule. */
function perform(hop: Hop, rule: Rule): Outcome[] {
  const { delay, abort } = rule.http.fault ?? {};
  const delayed = delay?.fixedDelay ? (delay.percentage?.value ?? 0) / 100 : 0;
  const aborted = abort?.httpStatus ? (abort.percentage?.value ?? (abort.percentage ? 0 : 100)) / 100 : 0;
  const status = abort?.httpStatus ?? 0;
  const trouble = (text: string) => note(hop.steps, `fault: ${text}`, { trouble: true });
  if (delayed > 0) trouble(`${percent(delayed)} of the requests wait ${delay?.fixedDelay}`);
  if (aborted > 0) trouble(`${percent(aborted)} of the requests are answered ${status} by the proxy`);
  const outcomes = weighted([
    { weight: aborted, outcomes: [outcome(status, rule.ref, { reason: `fault of ${rule.ref}` })] },
    { weight: 1 - aborted, outcomes: aborted < 1 ? onwards(hop, rule) : [] },
  ]);
  return weighted([
    { weight: delayed, outcomes: later(outcomes, seconds(delay?.fixedDelay ?? '0s')) },
    { weight: 1 - delayed, outcomes },
  ]);
}

/** Redirect, answer, or one of the destinations. */
function onwards(hop: Hop, rule: Rule): Outcome[] {
  const { http, ref } = rule;
  const { message, client, steps } = hop;
  if (http.redirect) {
    const { uri = message.path, authority = message.host, redirectCode = 301 } = http.redirect;
    return refuse(hop, redirectCode, `${ref} redirects to ${authority}${uri}`, ref);
  }
  if (http.directResponse) return refuse(hop, http.directResponse.status, `${ref} answers by itself`, ref);
  for (const { destination, percentage } of [
    ...(http.mirror ? [{ destination: http.mirror, percentage: http.mirrorPercentage }] : []),
    ...(http.mirrors ?? []),
  ]) {
    const share = percent((percentage?.value ?? 100) / 100);
    note(steps, `mirror: ${share} of the requests go to ${named(destination)} as well; its answers are thrown away`);
  }
  if (http.rewrite) note(steps, `rewrite: it goes on as ${message.path} of host ${message.host}`);
  if (http.timeout) note(steps, `timeout: ${http.timeout}`);
  const limit = seconds(http.timeout ?? '0s');
  const { perTryTimeout, ...others }: Retries = http.retries ?? DEFAULT_RETRIES;
  // Envoy ignores the time for one try when it is that for all of them, or more.
  const isRead = limit === 0 || seconds(perTryTimeout ?? '0s') < limit;
  const retries = { ...others, ...(isRead && { perTryTimeout }) };
  if (http.retries)
    note(steps, `retries: up to ${retries.attempts ?? 0}, on ${retries.retryOn ?? DEFAULT_RETRIES.retryOn}`);
  const choices = destinationsOf(http);
  const total = choices.reduce((sum, { weight = 1 }) => sum + weight, 0);
  const outcomes = weighted(
    choices.map(({ destination, weight = 1 }) => {
      const share = choices.length === 1 ? 1 : weight / total;
      const branch = note(steps, `to ${named(destination)}`, choices.length > 1 ? { share } : {});
      return { weight: share, outcomes: toDestination({ ...hop, steps: branch.steps }, destination, rule, retries) };
    }),
  );
  if (limit === 0) return outcomes;
  return within(outcomes, limit, outcome(504, client.name, { reason: `${ref} allows ${http.timeout}` }));
}

const destinationsOf = ({ route = [] }: HttpRule) => route.filter(({ weight = 0 }) => route.length === 1 || weight > 0);

const named = ({ host, subset, port }: Destination): string =>
  [host.replace(/\.svc\.cluster\.local$/, ''), subset, port && `port ${port.number}`].filter(Boolean).join(' ');

function toDestination(
  hop: Hop,
  destination: Destination,
  { namespace, gatewayApi }: Rule,
  retries: Retries,
): Outcome[] {
  const { context, client, message } = hop;
  const status = gatewayApi ? 500 : 503;
  const host = fqdn(destination.host, namespace);
  const service = serviceAt(context.world, host, namespace);
  if (!service) return toEntry(hop, host, destination.port?.number ?? message.port, status);
  const only = service.ports.length === 1 ? service.ports[0]?.port : undefined;
  const number = destination.port?.number ?? only ?? message.port;
  const port = service.ports.find((it) => it.port === number);
  if (!port) return refuse(hop, status, noPort(service, number));
  const { refs, policy, subsets, undecided } = destinationRules(context.world, client, service);
  for (const it of undecided) context.undecided.add(it);
  const subset = subsets.find((it) => it.name === destination.subset);
  if (destination.subset && !subset) {
    const where = refs ? `in ${refs}` : 'anywhere: no DestinationRule is for it';
    return refuse(hop, status, `subset ${destination.subset} of ${service.name} is not defined ${where}`);
  }
  const policies = [subset?.trafficPolicy, policy];
  return toPods(hop, { service, port, subset: subset && (subset.labels ?? {}), policies }, retries);
}

/** One of the pods that are ready. */
function toPods(hop: Hop, target: Target, retries: Retries): Outcome[] {
  const { context, client, steps } = hop;
  const { service, port, subset = {} } = target;
  const pods = selected(context.world, service).filter(({ labels }) => selects(subset, labels));
  const ready = pods.filter((it) => it.ready > 0 && atTargetPort(it, port) !== undefined);
  if (client.proxy) limits(context, target, steps);
  const tcp = port.protocol === 'tcp' && !client.workload.gateway;
  if (ready.length === 0) {
    const labels = JSON.stringify({ ...service.selector, ...subset });
    const why = pods.length === 0 ? `has the labels ${labels}` : 'of it is ready';
    const which = target.subset ? `subset ${JSON.stringify(subset)} of ${service.ref}` : service.ref;
    return disconnect(hop, `no healthy upstream: ${which} has no pods, no pod ${why}`, tcp);
  }
  const total = ready.reduce((sum, it) => sum + it.ready, 0);
  const arrivals = ready.map((workload) => {
    const branch =
      ready.length > 1 ? note(steps, `to ${workload.name}`, { share: workload.ready / total }).steps : steps;
    return { workload, outcomes: arrive({ ...hop, steps: branch }, target, workload, tcp) };
  });
  return attempt(arrivals, tcp || !client.proxy ? {} : retries, client);
}

interface Arrival {
  workload: Workload;
  outcomes: Outcome[];
}

/** A try, and what follows a failure: each retry goes to a pod that was not tried yet, as long as there is one. */
function attempt(arrivals: Arrival[], retries: Retries, client: Client, tried: Workload[] = []): Outcome[] {
  const { attempts = 0, perTryTimeout, retryOn = DEFAULT_RETRIES.retryOn ?? '' } = retries;
  const left = ({ workload }: Arrival) => Math.max(0, workload.ready - tried.filter((it) => it === workload).length);
  const fresh = arrivals.some((it) => left(it) > 0);
  const timedOut = outcome(504, client.name, { reason: `no answer within ${perTryTimeout} for one try` });
  return weighted(
    arrivals.map((arrival) => ({
      weight: fresh ? left(arrival) : arrival.workload.ready,
      outcomes: followed(
        perTryTimeout ? within(arrival.outcomes, seconds(perTryTimeout), timedOut) : arrival.outcomes,
        (it) =>
          attempts > tried.length && isRetriable(it, retryOn)
            ? later(attempt(arrivals, retries, client, [...tried, arrival.workload]), it.seconds)
            : [it],
      ),
    })),
  );
}

function isRetriable({ status }: Outcome, retryOn: string): boolean {
  const conditions = retryOn.split(/\s*,\s*/);
  return (
    typeof status === 'number' &&
    (conditions.includes(String(status)) ||
      (conditions.includes('5xx') && status >= 500) ||
      (conditions.includes('gateway-error') && [502, 503, 504].includes(status)) ||
      (conditions.includes('retriable-4xx') && status === 409))
  );
}

/** What holds under load only. */
function limits({ notes }: Context, { policies, port }: Target, steps: Step[]): void {
  const { tcp, http } = settingAt(policies, port.port, 'connectionPool') ?? {};
  if (tcp ?? http)
    note(steps, `connection pool: ${settings({ ...tcp, ...http })}; what goes beyond is answered 503 by the proxy`);
  const { consecutiveErrors, ...outliers } = settingAt(policies, port.port, 'outlierDetection') ?? {};
  if (Object.keys(outliers).length > 0)
    note(steps, `outlier detection: ${settings(outliers)}; a pod that fails so often is left out for a while`);
  if (consecutiveErrors === undefined) return;
  const counts = `consecutive5xxErrors is ${outliers.consecutive5xxErrors ?? 'what counts, by default 5'}`;
  const dead = `outlierDetection.consecutiveErrors: ${consecutiveErrors} has no effect, Istio does not read it; ${counts}`;
  note(steps, dead);
  notes.add(dead);
}

const settings = (values: object): string =>
  Object.entries(values)
    .map(([name, value]) => `${name} ${value}`)
    .join(', ');

/** At the pod: mutual TLS, then what its sidecar says, then its program. */
function arrive(hop: Hop, { port, policies }: Target, workload: Workload, tcp: boolean): Outcome[] {
  const { context, client, message, steps } = hop;
  const { name, gateway, sidecar } = workload;
  const number = atTargetPort(workload, port) ?? port.port;
  const server =
    sidecar || gateway ? mtlsMode(context.world, workload, number) : { mode: 'DISABLE', by: `${name} has no sidecar` };
  const wish = client.proxy ? (settingAt(policies, port.port, 'tls')?.mode ?? 'auto') : 'DISABLE';
  const mutual = wish === 'ISTIO_MUTUAL' || (wish === 'auto' && server.mode !== 'DISABLE');
  const plainBecause = !client.proxy
    ? `${client.name} has no sidecar`
    : wish === 'DISABLE'
      ? 'a DestinationRule says tls mode DISABLE'
      : server.by;
  if (wish === 'SIMPLE' || wish === 'MUTUAL')
    return disconnect(hop, `a DestinationRule wants TLS of mode ${wish}, which ${name} does not speak`, tcp);
  if (mutual && server.mode === 'DISABLE')
    return disconnect(hop, `a DestinationRule wants mutual TLS, and ${name} takes plain text only: ${server.by}`, tcp);
  if (!mutual && server.mode === 'STRICT')
    return disconnect(hop, `${name} takes mutual TLS only (${server.by} is STRICT), and ${plainBecause}`, tcp);
  const principal = mutual ? principalOf(client.workload) : undefined;
  note(
    steps,
    mutual
      ? `mutual TLS (${server.by}: ${server.mode}): ${name} sees ${principal}`
      : `plain text (${plainBecause}): ${name} does not know who calls`,
  );
  const here = { ...message, port: number };
  if (gateway) return throughGateway(context, workload, here, principal, steps);
  const { refusal } = sidecar ? guard({ ...hop, message: here }, workload, principal, port.protocol === 'tcp') : {};
  if (refusal) return refusal;
  const declared = Object.values(workload.ports);
  if (declared.length > 0 && !declared.includes(number))
    return disconnect(
      hop,
      `nothing in ${name} listens on port ${number}, its containers declare ${declared.join(', ')}`,
      tcp,
    );
  const outcomes = answer({ workload, message, user: context.user }, (call) => send(context, workload, call, steps));
  for (const { status, shows, seconds: after, reason, probability } of outcomes) {
    const what = [
      shows.length > 0 && `: ${shows.join(', ')}`,
      after > 0 && `, after ${after} s`,
      reason && ` (${reason})`,
    ];
    const text = [`${name} answers ${status}`, ...what].filter(Boolean).join('');
    note(steps, text, outcomes.length > 1 ? { share: probability } : {});
  }
  return outcomes;
}

interface Passed {
  /** What is answered instead, if anything. */
  refusal?: Outcome[];
  /** Of the token. */
  claims?: Claims | undefined;
}

/** What the proxy in front of a workload says to a request. `tcp`: it sees bytes. */
function guard(hop: Hop, workload: Workload, principal: string | undefined, tcp = false): Passed {
  const { context, message, steps, client } = hop;
  const { world, now } = context;
  const { name, labels, gateway } = workload;
  for (const { ref, spec } of gateway ? [] : world.of('networking.istio.io/EnvoyFilter')) {
    const bucket = spec.configPatches[0]?.patch.value.typed_config.token_bucket;
    if (bucket && selects(spec.workloadSelector?.labels ?? {}, labels))
      note(
        steps,
        `${ref} may answer 429: ${name} takes ${bucket.max_tokens} requests at once, ${bucket.tokens_per_fill ?? 1} more every ${bucket.fill_interval}`,
      );
  }
  const token = tcp ? {} : checkToken(world, workload, message, now);
  const { by, claims, refusal, status = 401 } = token;
  if (refusal) return { refusal: refuse(hop, status, `${refusal}: ${by} at ${name}`, by) };
  if (by) note(steps, `${by}: ${token.note ?? 'the token is accepted'}`);
  const verdict = authorize(world, workload, message, { principal, claims }, tcp);
  if (verdict.allowed) {
    if (verdict.by) note(steps, verdict.reason, { skipped: verdict.tried });
    return { claims };
  }
  if (tcp) return { refusal: disconnect(hop, verdict.reason, !client.workload.gateway) };
  const reason = `RBAC: access denied at ${name}: ${verdict.reason}`;
  note(steps, `403 ${reason}`, { skipped: verdict.tried, trouble: true });
  return { refusal: [outcome(403, verdict.by ?? name, { reason })] };
}

/** A host that is no Service of Kubernetes: of a ServiceEntry, or let through as it is. */
function outside(hop: Hop): Outcome[] {
  const { context, client, message, steps } = hop;
  const { host, port } = message;
  const entry = client.proxy ? entryFor(hop, host) : undefined;
  const http = entry?.spec.ports.some((it) => it.number === port && /^(HTTP|HTTP2|GRPC)$/.test(it.protocol ?? ''));
  if (entry && http) {
    const { rules, undecided } = meshRules(context.world, client, host, entry.namespace, port);
    for (const it of undecided) context.undecided.add(it);
    if (rules) return route(hop, rules);
  }
  if (entry || !/[^.]\.[^.]/.test(host) || host.endsWith('.svc.cluster.local')) return toEntry(hop, host, port, 503);
  note(steps, `${host} is no host of the mesh: the request is let through as it is`);
  return [outcome('unknown', host, { reason: `what ${host} answers is not known` })];
}

const entryFor = ({ context, client }: Hop, host: string) =>
  context.world
    .of('networking.istio.io/ServiceEntry')
    .find(
      (it) => it.spec.hosts.some((own) => hostFits(own, host)) && exported(it.spec, it.namespace, client.namespace),
    );

function toEntry(hop: Hop, host: string, port: number, status: number): Outcome[] {
  const { context, client, steps, message } = hop;
  const entry = entryFor(hop, host);
  if (!entry && host === message.host && !client.workload.gateway)
    return disconnect(hop, `the name ${host} is not found: no Service is called so`, true);
  if (!entry) return refuse(hop, status, `there is no Service ${host.replace(/\.svc\.cluster\.local$/, '')}`);
  const found = entry.spec.ports.find((it) => it.number === port);
  if (!found) return refuse(hop, status, `${entry.ref} has no port ${port}`);
  const { policy } = destinationRules(context.world, client, { host, namespace: entry.namespace });
  const tls = settingAt([policy], port, 'tls')?.mode;
  const starts = tls === 'SIMPLE' || tls === 'MUTUAL' ? `; the proxy starts TLS (${tls})` : '';
  note(steps, `out of the mesh to ${host}:${found.targetPort ?? port} (${entry.ref})${starts}`);
  return [outcome('unknown', host, { reason: `what ${host} answers is not known` })];
}
