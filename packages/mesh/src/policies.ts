/** Mutual TLS, tokens and authorization: what a proxy in front of a workload says to a connection and to a request. */
import { createPublicKey, type JsonWebKeyInput, verify } from 'node:crypto';
import { selected, selects, serviceAt } from './hosts.ts';
import { type AuthorizationRule, keysOf, type SpecOf } from './kinds.ts';
import { type Message, pathOf } from './rules.ts';
import { atTargetPort, type Resource, ROOT_NAMESPACE, type Workload, type World } from './world.ts';

export type MtlsMode = 'DISABLE' | 'PERMISSIVE' | 'STRICT';

/** Which PeerAuthentication holds at a port of a workload: of the workload, else of its namespace, else of the mesh. */
export function mtlsMode(world: World, workload: Workload, port: number | undefined): { mode: MtlsMode; by: string } {
  const all = world.of('security.istio.io/PeerAuthentication');
  const labels = ({ spec }: (typeof all)[number]) => Object.keys(spec.selector?.matchLabels ?? {});
  const own = all.filter(
    (it) =>
      it.namespace === workload.namespace &&
      labels(it).length > 0 &&
      selects(it.spec.selector?.matchLabels ?? {}, workload.labels),
  );
  const wide = (namespace: string) => all.filter((it) => it.namespace === namespace && labels(it).length === 0);
  const [first] = own;
  const levels: [string | undefined, string | undefined][] = [
    [first?.spec.portLevelMtls?.[String(port)]?.mode, `${first?.ref}, port ${port}`],
    ...[first, wide(workload.namespace)[0], wide(ROOT_NAMESPACE)[0]].map(
      (it): [string | undefined, string | undefined] => [it?.spec.mtls?.mode, it?.ref],
    ),
  ];
  const [mode, by] = levels.find(([found]) => found !== undefined && found !== 'UNSET') ?? [];
  return { mode: (mode as MtlsMode | undefined) ?? 'PERMISSIVE', by: by ?? 'no PeerAuthentication' };
}

interface Attached {
  namespace: string;
  spec: { selector?: { matchLabels?: Record<string, string> }; targetRefs?: { kind: string; name: string }[] };
}
/** Why a policy of `security.istio.io` does not hold for a workload; undefined when it does. */
function notFor({ namespace, spec }: Attached, workload: Workload): string | undefined {
  if (spec.targetRefs) {
    const gateway = workload.labels['gateway.networking.k8s.io/gateway-name'];
    const named = spec.targetRefs.some(({ kind, name }) => kind === 'Gateway' && name === gateway);
    const wanted = spec.targetRefs.map(({ kind, name }) => `${kind} ${namespace}/${name}`).join(', ');
    return named && namespace === workload.namespace ? undefined : `it is for ${wanted}`;
  }
  if (namespace !== ROOT_NAMESPACE && namespace !== workload.namespace) return `it is in namespace ${namespace}`;
  const selector = spec.selector?.matchLabels ?? {};
  return selects(selector, workload.labels) ? undefined : `it selects ${JSON.stringify(selector)}`;
}

/** Policies that hold for no pod at all, each as a sentence: most often a slip in a selector. */
export const idlePolicies = (world: World): string[] =>
  [
    ...world.of('security.istio.io/PeerAuthentication'),
    ...world.of('security.istio.io/RequestAuthentication'),
    ...world.of('security.istio.io/AuthorizationPolicy'),
  ].flatMap((policy) => {
    const reasons = world.workloads.map((it) => notFor(policy, it));
    if (reasons.includes(undefined)) return [];
    const own = reasons.filter((_, i) => world.workloads[i]?.namespace === policy.namespace);
    return [`${policy.ref} holds for no pod: ${own[0] ?? `there is none in namespace ${policy.namespace}`}`];
  });

export type Claims = Record<string, unknown>;
export interface TokenVerdict {
  claims?: Claims;
  /** What Envoy says when it refuses the token. */
  refusal?: string;
  /** 401 unless it is named. */
  status?: number;
  by?: string;
  note?: string;
}

type JwtRule = NonNullable<SpecOf<'security.istio.io/RequestAuthentication'>['jwtRules']>[number];

/** RequestAuthentication: no token passes, a bad one is refused, a good one gives claims. `now` in seconds since 1970. */
export function checkToken(world: World, workload: Workload, { headers }: Message, now: number): TokenVerdict {
  const policies = world.of('security.istio.io/RequestAuthentication').filter((it) => !notFor(it, workload));
  const rules = policies.flatMap(({ ref, spec }) => (spec.jwtRules ?? []).map((rule) => ({ ref, rule })));
  if (rules.length === 0) return {};
  const by = policies.map(({ ref }) => ref).join(', ');
  const token = /^Bearer (\S+)$/.exec(headers.authorization ?? '')?.[1];
  if (!token) return { by, note: 'no token, which RequestAuthentication alone lets pass' };
  const claims = decode(token.split('.')[1]);
  const header = decode(token.split('.')[0]);
  if (!claims || !header || token.split('.').length !== 3)
    return { by, refusal: 'Jwt is not in the form of Header.Payload.Signature' };
  const found = rules.find(({ rule }) => rule.issuer === claims.iss);
  if (!found) return { by, refusal: 'Jwt issuer is not configured' };
  return { by: found.ref, ...judge(token, claims, header, found.rule, { world, now }) };
}

const NO_KEY = "Jwks doesn't have key to match kid or alg from Jwt";

function judge(
  token: string,
  claims: Claims,
  header: Claims,
  rule: JwtRule,
  { world, now }: { world: World; now: number },
): TokenVerdict {
  if (typeof claims.exp === 'number' && claims.exp < now - 60) return { refusal: 'Jwt is expired' };
  if (typeof claims.nbf === 'number' && claims.nbf > now + 60) return { refusal: 'Jwt not yet valid' };
  const audiences = [claims.aud].flat().map(String);
  if (rule.audiences && !rule.audiences.some((it) => audiences.includes(it)))
    return { refusal: 'Audiences in Jwt are not allowed', status: 403 };
  if (!rule.jwks) {
    const unknown = rule.jwksUri && unfetched(world, rule.jwksUri);
    if (unknown) return { refusal: `${NO_KEY}: ${unknown}` };
    return { claims, note: `assumed: ${rule.jwksUri ?? 'the issuer'} has the key of this token` };
  }
  const usable = keysOf(rule.jwks).filter(
    ({ kid, alg }) => (!kid || !header.kid || kid === header.kid) && (!alg || alg === header.alg),
  );
  if (usable.length === 0) return { refusal: NO_KEY };
  return usable.some((key) => signedBy(key, token, String(header.alg)))
    ? { claims }
    : { refusal: 'Jwt verification fails' };
}

/** Why there are no keys. It is istiod that fetches them: a short name is one of its own namespace, and it has no sidecar. */
function unfetched(world: World, uri: string): string | undefined {
  const { hostname = '', port = '', pathname: path = '' } = URL.parse(uri) ?? {};
  if (hostname.includes('.') && !hostname.endsWith('.svc.cluster.local')) return undefined;
  const service = serviceAt(world, hostname, ROOT_NAMESPACE);
  if (!service) return `istiod, in ${ROOT_NAMESPACE}, finds no Service ${hostname}`;
  const at = service.ports.find((it) => it.port === Number(port || 80));
  if (!at) return `istiod asks port ${port || 80} of ${service.ref}, which it does not have`;
  const [server] = selected(world, service);
  if (!server?.sidecar) return undefined;
  const own = atTargetPort(server, at) ?? at.port;
  const { mode, by } = mtlsMode(world, server, own);
  if (mode === 'STRICT') return `istiod has no sidecar, and ${server.name} takes mutual TLS only (${by} is STRICT)`;
  const message = { method: 'GET', host: hostname, port: own, path, headers: {} };
  const { allowed, reason } = authorize(world, server, message, { principal: undefined, claims: undefined });
  return allowed ? undefined : `istiod is refused at ${server.name}: ${reason}`;
}

function decode(part: string | undefined): Claims | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(part ?? '', 'base64url').toString());
    return typeof value === 'object' && value !== null ? (value as Claims) : undefined;
  } catch {
    return undefined;
  }
}

function signedBy(key: object, token: string, algorithm: string): boolean {
  const [head, payload, signature = ''] = token.split('.');
  if (!/^(RS|ES)(256|384|512)$/.test(algorithm)) return false;
  const hash = `sha${algorithm.slice(2)}`;
  try {
    const publicKey = createPublicKey({ key, format: 'jwk' } as JsonWebKeyInput);
    const signed = Buffer.from(`${head}.${payload}`);
    return verify(hash, signed, { key: publicKey, dsaEncoding: 'ieee-p1363' }, Buffer.from(signature, 'base64url'));
  } catch {
    return false;
  }
}

/** The caller as the server's proxy sees it. */
export interface Caller {
  /** `cluster.local/ns/default/sa/bookinfo-reviews`, known by mutual TLS alone. */
  principal: string | undefined;
  claims: Claims | undefined;
}
export interface Verdict {
  allowed: boolean;
  /** What decided: `rule 1 of AuthorizationPolicy default/ratings`. Nothing, when no policy holds for the workload. */
  by?: string;
  reason: string;
  /** Rules that were tried before, each with why it did not match. */
  tried: { ref: string; reason: string; leadsTo: string[] }[];
}

/** DENY before ALLOW; with an ALLOW policy in place, what none allows is denied. `tcp`: fields of HTTP are not known. */
export function authorize(world: World, workload: Workload, message: Message, caller: Caller, tcp = false): Verdict {
  const all = world.of('security.istio.io/AuthorizationPolicy');
  const policies = all.filter((it) => !notFor(it, workload));
  const tried: Verdict['tried'] = [];
  const matching = (action: string) => {
    for (const policy of policies.filter(({ spec }) => (spec.action ?? 'ALLOW') === action))
      for (const [i, rule] of (policy.spec.rules ?? []).entries()) {
        const ref = `rule ${i + 1} of ${policy.ref}`;
        const why = ruleMismatch(rule, policy, { message, caller, tcp });
        if (!why) return ref;
        tried.push({ ref: `${ref} (${action})`, reason: why, leadsTo: action === 'DENY' ? ['403'] : [] });
      }
    return undefined;
  };
  const denied = matching('DENY');
  if (denied) return { allowed: false, by: denied, reason: `${denied} denies it`, tried };
  const allowing = policies.filter(({ spec }) => (spec.action ?? 'ALLOW') === 'ALLOW');
  if (allowing.length === 0) return { allowed: true, reason: 'no AuthorizationPolicy allows only some', tried };
  const allowed = matching('ALLOW');
  if (allowed) return { allowed: true, by: allowed, reason: `${allowed} allows it`, tried };
  const by = allowing.map(({ ref }) => ref).join(', ');
  return { allowed: false, by, reason: `no rule of ${by} allows it`, tried };
}

interface Situation {
  message: Message;
  caller: Caller;
  tcp: boolean;
}

/** Exact, `prefix*`, `*suffix`, or `*` for anything that is there. */
const fits = (pattern: string, value: string | undefined): boolean =>
  value !== undefined &&
  value !== '' &&
  (pattern === '*' ||
    (pattern.endsWith('*')
      ? value.startsWith(pattern.slice(0, -1))
      : pattern.startsWith('*')
        ? value.endsWith(pattern.slice(1))
        : value === pattern));

const account = (principal: string | undefined) => /\/ns\/([^/]+)\/sa\/([^/]+)$/.exec(principal ?? '') ?? [];

type Test = [what: string, values: string[] | undefined, value: string | undefined, http?: boolean, not?: boolean];

/** Why a rule does not match; undefined when it does. Alternatives of `from` and of `to` are or-ed, the three are and-ed. */
function ruleMismatch(
  rule: AuthorizationRule,
  { namespace, spec }: Resource<'security.istio.io/AuthorizationPolicy'>,
  situation: Situation,
): string | undefined {
  const { caller, message, tcp } = situation;
  const deny = spec.action === 'DENY';
  const [, callerNamespace, serviceAccount] = account(caller.principal);
  const requestPrincipal = caller.claims && `${caller.claims.iss}/${caller.claims.sub}`;
  const failing = (tests: Test[]): string | undefined => {
    for (const [what, values, value, http = false, not = false] of tests) {
      if (!values?.length) continue;
      // On a TCP port an ALLOW rule with a field of HTTP never matches, and a DENY rule is read without the field.
      if (http && tcp && deny) continue;
      if (http && tcp) return `${what} is not known on a TCP port`;
      const hit = values.some((pattern) => fits(pattern, value));
      if (hit === not)
        return `${what} is ${value ?? 'not known'}${not ? `, which not${what} names` : `, not ${values.join(' or ')}`}`;
    }
    return undefined;
  };
  const one = (alternatives: Test[][]): string | undefined => {
    const reasons = alternatives.map(failing);
    return reasons.length === 0 || reasons.includes(undefined) ? undefined : [...new Set(reasons)].join('; ');
  };
  const full = (names: string[] | undefined) => names?.map((it) => (it.includes('/') ? it : `${namespace}/${it}`));
  const callerAccount = serviceAccount && `${callerNamespace}/${serviceAccount}`;
  const from = (rule.from ?? []).map(({ source: s = {} }): Test[] => [
    ['principal', s.principals, caller.principal],
    ['principal', s.notPrincipals, caller.principal, false, true],
    ['serviceAccount', full(s.serviceAccounts), callerAccount],
    ['serviceAccount', full(s.notServiceAccounts), callerAccount, false, true],
    ['namespace', s.namespaces, callerNamespace],
    ['namespace', s.notNamespaces, callerNamespace, false, true],
    ['requestPrincipal', s.requestPrincipals, requestPrincipal, true],
    ['requestPrincipal', s.notRequestPrincipals, requestPrincipal, true, true],
  ]);
  const to = (rule.to ?? []).map(({ operation: o = {} }): Test[] => [
    ['method', o.methods, message.method, true],
    ['method', o.notMethods, message.method, true, true],
    ['path', o.paths, pathOf(message), true],
    ['path', o.notPaths, pathOf(message), true, true],
    ['port', o.ports, String(message.port)],
    ['port', o.notPorts, String(message.port), false, true],
  ]);
  const when = (rule.when ?? []).map(({ key, values, notValues }): Test[] => {
    const { value, http } = attribute(key, situation, { callerNamespace, callerAccount, requestPrincipal });
    return [
      [key, key === 'source.serviceAccount' ? full(values) : values, value, http],
      [key, notValues, value, http, true],
    ];
  });
  return one(from) ?? one(to) ?? failing(when.flat());
}

function attribute(
  key: string,
  { caller, message }: Situation,
  known: Record<'callerNamespace' | 'callerAccount' | 'requestPrincipal', string | undefined>,
): { value: string | undefined; http: boolean } {
  const name = /\[(.+)\]$/.exec(key)?.[1] ?? '';
  if (key.startsWith('request.headers')) return { value: message.headers[name.toLowerCase()], http: true };
  if (key.startsWith('request.auth.claims')) {
    const claim = caller.claims?.[name];
    return { value: claim === undefined ? undefined : String(claim), http: true };
  }
  if (key === 'request.auth.principal') return { value: known.requestPrincipal, http: true };
  const others = {
    'source.principal': caller.principal,
    'source.namespace': known.callerNamespace,
    'source.serviceAccount': known.callerAccount,
    'destination.port': String(message.port),
  };
  return { value: others[key as keyof typeof others], http: false };
}
