/** Rules of a VirtualService or an HTTPRoute, in the order in which Envoy tries them, and why one matches or does not. */

import { selects } from './hosts.ts';
import { type Destination, type HttpMatch, type HttpRule, regexOf, type SpecOf, type StringMatch } from './kinds.ts';
import type { Labels, Resource } from './world.ts';

/** What a request looks like at one hop. */
export interface Message {
  method: string;
  host: string;
  port: number;
  /** With the query. */
  path: string;
  /** Names in lower case. */
  headers: Record<string, string>;
}

/** The proxy that matches: a sidecar (`mesh`) or a gateway, with what it knows of itself and of the request's token. */
export interface Matcher {
  gateways: string[];
  labels: Labels;
  namespace: string;
  claims: Record<string, unknown> | undefined;
}

export interface Rule {
  /** `rule 2 of VirtualService default/reviews`. */
  ref: string;
  resource: string;
  namespace: string;
  http: HttpRule;
  /** Of an HTTPRoute: prefixes end at a slash, and what is missing answers 500 instead of 503. */
  gatewayApi: boolean;
}

export const pathOf = (message: Message): string => message.path.replace(/[?#].*$/, '');

/** Milliseconds and hours alike, in seconds. */
export function seconds(duration: string): number {
  const unit: Record<string, number> = { ms: 0.001, s: 1, m: 60, h: 3600 };
  return [...duration.matchAll(/([0-9.]+)(ms|s|m|h)/g)].reduce(
    (sum, [, n, u]) => sum + Number(n) * (unit[u ?? ''] ?? 0),
    0,
  );
}

export function rulesOf({ ref, namespace, spec }: Resource<'networking.istio.io/VirtualService'>): Rule[] {
  return (spec.http ?? []).map((http, i) => ({
    ref: `rule ${i + 1}${http.name ? ` (${http.name})` : ''} of ${ref}`,
    resource: ref,
    namespace,
    http,
    gatewayApi: false,
  }));
}

/** As istiod does it: every match becomes a rule, and the most specific one comes first. */
export function rulesOfRoutes(routes: Resource<'gateway.networking.k8s.io/HTTPRoute'>[], port?: number): Rule[] {
  const rules = routes.flatMap(({ ref, namespace, spec }) =>
    (spec.rules ?? []).flatMap((rule, i) =>
      (rule.matches ?? [{}]).map((match): Rule => {
        const http = { ...asHttpRule(rule, namespace), match: [asMatch(match, port)] };
        const name = `rule ${i + 1}${rule.name ? ` (${rule.name})` : ''} of ${ref}`;
        return { ref: name, resource: ref, namespace, http, gatewayApi: true };
      }),
    ),
  );
  return rules.sort((a, b) => compare(specificity(b.http.match?.[0]), specificity(a.http.match?.[0])));
}

type RouteRule = NonNullable<SpecOf<'gateway.networking.k8s.io/HTTPRoute'>['rules']>[number];
type RouteMatch = NonNullable<RouteRule['matches']>[number];
type BackendRef = NonNullable<RouteRule['backendRefs']>[number];

const compare = (a: number[], b: number[]): number => {
  const i = a.findIndex((value, index) => value !== b[index]);
  return i === -1 ? 0 : (a[i] ?? 0) - (b[i] ?? 0);
};
function specificity({ uri = {}, method, headers = {}, queryParams = {} }: HttpMatch = {}): number[] {
  const kind = uri.exact !== undefined ? 3 : uri.prefix !== undefined ? 2 : 1;
  const length = (uri.exact ?? uri.prefix ?? uri.regex ?? '').length;
  return [kind, length, method ? 1 : 0, Object.keys(headers).length, Object.keys(queryParams).length];
}

function asMatch({ path = {}, headers = [], queryParams = [], method }: RouteMatch, port?: number): HttpMatch {
  const { type = 'PathPrefix', value = '/' } = path;
  const key = { Exact: 'exact', PathPrefix: 'prefix', RegularExpression: 'regex' } as const;
  const named = (list: { type?: string; name: string; value: string }[]) =>
    Object.fromEntries(
      list.map((it) => [it.name, it.type === 'RegularExpression' ? { regex: it.value } : { exact: it.value }]),
    );
  return {
    uri: { [key[type]]: type === 'PathPrefix' && value !== '/' ? value.replace(/\/$/, '') : value },
    headers: named(headers),
    queryParams: named(queryParams),
    ...(method && { method: { exact: method } }),
    ...(port && { port }),
  };
}

function asHttpRule({ filters = [], backendRefs = [], timeouts }: RouteRule, namespace: string): HttpRule {
  const destination = ({ name, port }: BackendRef): Destination => ({
    host: `${name}.${namespace}.svc.cluster.local`,
    ...(port && { port: { number: port } }),
  });
  const redirect = filters.find((it) => it.requestRedirect)?.requestRedirect;
  const rewrite = filters.find((it) => it.urlRewrite)?.urlRewrite;
  const mirrors = filters.flatMap(({ requestMirror: it }) =>
    it ? [{ destination: destination(it.backendRef), percentage: { value: it.percent ?? 100 } }] : [],
  );
  const used = backendRefs.filter(({ weight = 1 }) => weight > 0);
  const timeout = timeouts?.backendRequest ?? timeouts?.request;
  return {
    ...(redirect && {
      redirect: {
        ...(redirect.hostname && { authority: redirect.hostname }),
        ...(redirect.scheme && { scheme: redirect.scheme }),
        redirectCode: redirect.statusCode ?? 302,
      },
    }),
    ...(!redirect && used.length === 0 && { directResponse: { status: 500 } }),
    ...(rewrite && {
      rewrite: {
        ...(rewrite.hostname && { authority: rewrite.hostname }),
        ...(rewrite.path?.replacePrefixMatch !== undefined && {
          uri: rewrite.path.replacePrefixMatch.replace(/\/$/, '') || '/',
        }),
        ...(rewrite.path?.replaceFullPath !== undefined && {
          uriRegexRewrite: { match: '/.*', rewrite: rewrite.path.replaceFullPath },
        }),
      },
    }),
    ...(mirrors.length > 0 && { mirrors }),
    ...(timeout && { timeout }),
    route: used.map((it) => ({ destination: destination(it), weight: it.weight ?? 1 })),
  };
}

/** Undefined when `value` fits; else what would have had to be there. */
function missing({ exact, prefix, regex }: StringMatch, value: string | undefined): string | undefined {
  if (exact !== undefined) return value === exact ? undefined : `"${exact}"`;
  if (prefix !== undefined) return value?.startsWith(prefix) ? undefined : `"${prefix}…"`;
  if (regex !== undefined) return value !== undefined && regexOf(regex).test(value) ? undefined : `/${regex}/`;
  return value === undefined ? 'any value' : undefined;
}

function missingPath(uri: StringMatch, path: string, segments: boolean): string | undefined {
  const prefix = uri.prefix;
  if (segments && prefix !== undefined && prefix !== '/')
    return path === prefix || path.startsWith(`${prefix}/`) ? undefined : `"${prefix}" or below`;
  return missing(uri, path);
}

const CLAIMS = /^@request\.auth\.claims[.[](.+?)\]?$/;
const claimValue = (claims: Matcher['claims'], path: string): string | undefined => {
  const value = path
    .split(/\]\[|\./)
    .reduce<unknown>((at, key) => (at as Record<string, unknown> | undefined)?.[key], claims);
  return Array.isArray(value) ? value.map(String).join() : value === undefined ? undefined : String(value);
};

/** Why one match of a rule does not fit; undefined when it does. */
export function mismatch(match: HttpMatch, message: Message, by: Matcher, gatewayApi: boolean): string | undefined {
  const { uri, headers = {}, withoutHeaders = {}, queryParams = {}, gateways, port } = match;
  if (gateways && !gateways.some((name) => by.gateways.includes(name)))
    return `it is for gateways ${gateways.join(', ')}, this is ${by.gateways[0]}`;
  if (!gateways && match.sourceLabels && !selects(match.sourceLabels, by.labels))
    return `it is for callers with labels ${JSON.stringify(match.sourceLabels)}`;
  if (!gateways && match.sourceNamespace && match.sourceNamespace !== by.namespace)
    return `it is for callers in namespace ${match.sourceNamespace}`;
  if (port !== undefined && port !== message.port) return `it is for port ${port}`;
  if (uri) {
    // A regular expression says for itself whether case counts.
    const fold = (text: string) => (match.ignoreUriCase && uri.regex === undefined ? text.toLowerCase() : text);
    const folded = Object.fromEntries(Object.entries(uri).map(([kind, text]) => [kind, fold(text)]));
    const wanted = missingPath(folded, fold(pathOf(message)), gatewayApi);
    if (wanted) return `path ${pathOf(message)} is not ${wanted}`;
  }
  for (const [name, value] of [
    ['method', message.method],
    ['authority', message.host],
    ['scheme', 'http'],
  ] as const) {
    const wanted = match[name] && missing(match[name], value);
    if (wanted) return `${name} ${value} is not ${wanted}`;
  }
  for (const [name, wish] of Object.entries(headers)) {
    const claim = CLAIMS.exec(name)?.[1];
    const value = claim ? claimValue(by.claims, claim) : message.headers[name.toLowerCase()];
    const wanted = missing(wish, value);
    const what = claim ? `claim ${claim} of a valid token` : `header ${name}`;
    if (wanted) return `${what} is ${value === undefined ? 'missing' : `"${value}"`}, not ${wanted}`;
  }
  for (const [name, wish] of Object.entries(withoutHeaders)) {
    const present = Object.keys(wish).length === 0;
    const value = message.headers[name.toLowerCase()] ?? (present ? undefined : '');
    if (!missing(wish, value)) return `header ${name} is there, and must not be`;
  }
  const query = new URLSearchParams(message.path.split('?')[1] ?? '');
  for (const [name, wish] of Object.entries(queryParams)) {
    const wanted = missing(wish, query.get(name) ?? undefined);
    if (wanted) return `query parameter ${name} is ${query.get(name) ?? 'missing'}, not ${wanted}`;
  }
  return undefined;
}

/** The path and host that go upstream, after the rewrite of the rule that matched. */
export function rewritten(message: Message, { http, gatewayApi }: Rule, matched: HttpMatch | undefined): Message {
  const { rewrite } = http;
  if (!rewrite) return message;
  const path = pathOf(message);
  const query = message.path.slice(path.length);
  let to = path;
  if (rewrite.uriRegexRewrite) {
    const { match, rewrite: by } = rewrite.uriRegexRewrite;
    to = path.replace(new RegExp(match, 'g'), by.replaceAll('$', '$$$$').replace(/\\(\d)/g, '$$$1'));
  } else if (rewrite.uri !== undefined) {
    const prefix = matched?.uri?.prefix ?? matched?.uri?.exact ?? (matched?.uri?.regex ? path : '/');
    const rest = path.slice(prefix.length);
    // The Gateway API keeps the slash between what replaces the prefix and the rest; a VirtualService joins the two.
    to = gatewayApi && rewrite.uri === '/' ? `/${rest.replace(/^\//, '')}` : rewrite.uri + rest;
  }
  return { ...message, path: to + query, host: rewrite.authority ?? message.host };
}
