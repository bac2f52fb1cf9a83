/**
 * The kinds and fields that the model knows, as strict schemas: a field that is not here is refused, never ignored.
 * Names and meaning: https://istio.io/latest/docs/reference/config/ and https://gateway-api.sigs.k8s.io/reference/spec/.
 *
 * The official schemas cannot take their place: they know every field, and most as optional, so that the model could read
 * what it does not refuse, and would have to ask for what is always there. ../test/official.test.ts holds these against them.
 */
import { type Static, type TProperties, type TSchema, Type } from 'typebox';

const { Array: List, Boolean: Bool, Integer: Int, Number: Num, Optional: Opt, String: Str, Unknown: Any } = Type;
const Fields = <P extends TProperties>(properties: P) => Type.Object(properties, { additionalProperties: false });
const OneOf = <V extends (string | number)[]>(...values: [...V]) => Type.Enum(values);
const Strings = Opt(List(Str()));
const Labels = Type.Record(Str(), Str());
const Selector = Opt(Fields({ matchLabels: Opt(Labels) }));
/** `0.5s`, `2m`, `1h30m`, `500ms`. */
const Duration = Opt(Str({ pattern: '^([0-9]+(\\.[0-9]+)?(ms|s|m|h))+$' }));
const PortNumber = Opt(Fields({ number: Int() }));

/** Envoy's regular expressions (RE2) match the whole value. @throws {SyntaxError} for what JavaScript does not read */
export function regexOf(regex: string): RegExp {
  const [, flag, rest] = /^(\(\?i\))?(.*)$/s.exec(regex) ?? [];
  return new RegExp(`^(?:${rest})$`, flag ? 'i' : '');
}
const reads = (read: () => unknown): boolean => {
  try {
    read();
    return true;
  } catch {
    return false;
  }
};
const NO_REGEX = () => 'is no regular expression that this model reads';
const Regex = Type.Refine(Str(), (text) => reads(() => regexOf(text)), NO_REGEX);
/** Of the Gateway API: `value` is an expression when `type` says so. */
const withRegex = <T extends TSchema>(schema: T) =>
  Type.Refine(
    schema,
    (it) => {
      const { type, value } = it as { type?: string; value?: string };
      return type !== 'RegularExpression' || reads(() => regexOf(value ?? ''));
    },
    NO_REGEX,
  );

const StringMatch = Fields({ exact: Opt(Str()), prefix: Opt(Str()), regex: Opt(Regex) });
export type StringMatch = Static<typeof StringMatch>;
const StringMatches = Opt(Type.Record(Str(), StringMatch));

const Destination = Fields({ host: Str(), subset: Opt(Str()), port: PortNumber });
export type Destination = Static<typeof Destination>;
/** What is added to or taken from headers changes no route of the same proxy, so it is let through unread. */
const Headers = Opt(Fields({ request: Opt(Any()), response: Opt(Any()) }));
const Percentage = Opt(Fields({ value: Opt(Num({ minimum: 0, maximum: 100 })) }));

const HttpMatch = Fields({
  name: Opt(Str()),
  uri: Opt(StringMatch),
  ignoreUriCase: Opt(Bool()),
  method: Opt(StringMatch),
  authority: Opt(StringMatch),
  scheme: Opt(StringMatch),
  headers: StringMatches,
  withoutHeaders: StringMatches,
  queryParams: StringMatches,
  port: Opt(Int()),
  gateways: Strings,
  sourceLabels: Opt(Labels),
  sourceNamespace: Opt(Str()),
});
export type HttpMatch = Static<typeof HttpMatch>;

const HttpRule = Fields({
  name: Opt(Str()),
  match: Opt(List(HttpMatch)),
  route: Opt(List(Fields({ destination: Destination, weight: Opt(Int()), headers: Headers }))),
  redirect: Opt(Fields({ uri: Opt(Str()), authority: Opt(Str()), scheme: Opt(Str()), redirectCode: Opt(Int()) })),
  directResponse: Opt(Fields({ status: Int(), body: Opt(Fields({ string: Opt(Str()) })) })),
  rewrite: Opt(
    Fields({
      uri: Opt(Str()),
      authority: Opt(Str()),
      uriRegexRewrite: Opt(Fields({ match: Regex, rewrite: Str() })),
    }),
  ),
  timeout: Duration,
  retries: Opt(Fields({ attempts: Opt(Int()), perTryTimeout: Duration, retryOn: Opt(Str()), backoff: Duration })),
  fault: Opt(
    Fields({
      delay: Opt(Fields({ fixedDelay: Duration, percentage: Percentage })),
      abort: Opt(Fields({ httpStatus: Opt(Int()), percentage: Percentage })),
    }),
  ),
  mirror: Opt(Destination),
  mirrorPercentage: Percentage,
  mirrors: Opt(List(Fields({ destination: Destination, percentage: Percentage }))),
  headers: Headers,
});
export type HttpRule = Static<typeof HttpRule>;

const VirtualService = Fields({
  hosts: List(Str()),
  gateways: Strings,
  http: Opt(List(HttpRule)),
  exportTo: Strings,
});

const ServerTls = Fields({
  mode: Opt(OneOf('SIMPLE', 'MUTUAL', 'ISTIO_MUTUAL', 'OPTIONAL_MUTUAL')),
  credentialName: Opt(Str()),
  httpsRedirect: Opt(Bool()),
});
const Gateway = Fields({
  selector: Opt(Labels),
  servers: List(
    Fields({
      name: Opt(Str()),
      port: Fields({ number: Int(), name: Opt(Str()), protocol: OneOf('HTTP', 'HTTP2', 'GRPC', 'HTTPS') }),
      hosts: List(Str()),
      tls: Opt(ServerTls),
    }),
  ),
});

const ClientTls = Opt(
  Fields({
    mode: Opt(OneOf('DISABLE', 'SIMPLE', 'MUTUAL', 'ISTIO_MUTUAL')),
    sni: Opt(Str()),
    caCertificates: Opt(Str()),
    credentialName: Opt(Str()),
    subjectAltNames: Strings,
    insecureSkipVerify: Opt(Bool()),
  }),
);
const PolicyFields = {
  loadBalancer: Opt(
    Fields({
      simple: Opt(OneOf('UNSPECIFIED', 'LEAST_CONN', 'RANDOM', 'ROUND_ROBIN', 'LEAST_REQUEST')),
    }),
  ),
  connectionPool: Opt(
    Fields({
      tcp: Opt(Fields({ maxConnections: Opt(Int()), connectTimeout: Duration, tcpKeepalive: Opt(Any()) })),
      http: Opt(
        Fields({
          http1MaxPendingRequests: Opt(Int()),
          http2MaxRequests: Opt(Int()),
          maxRequestsPerConnection: Opt(Int()),
          maxRetries: Opt(Int()),
          idleTimeout: Duration,
        }),
      ),
    }),
  ),
  outlierDetection: Opt(
    Fields({
      // Accepted by Istio and read by nobody; explained as such.
      consecutiveErrors: Opt(Int()),
      consecutive5xxErrors: Opt(Int()),
      consecutiveGatewayErrors: Opt(Int()),
      interval: Duration,
      baseEjectionTime: Duration,
      maxEjectionPercent: Opt(Int()),
      minHealthPercent: Opt(Int()),
    }),
  ),
  tls: ClientTls,
};
const TrafficPolicy = Fields({
  ...PolicyFields,
  portLevelSettings: Opt(List(Fields({ ...PolicyFields, port: PortNumber }))),
});
export type TrafficPolicy = Static<typeof TrafficPolicy>;
const DestinationRule = Fields({
  host: Str(),
  trafficPolicy: Opt(TrafficPolicy),
  subsets: Opt(List(Fields({ name: Str(), labels: Opt(Labels), trafficPolicy: Opt(TrafficPolicy) }))),
  exportTo: Strings,
});

const ServiceEntry = Fields({
  hosts: List(Str()),
  location: Opt(OneOf('MESH_EXTERNAL', 'MESH_INTERNAL')),
  resolution: Opt(OneOf('NONE', 'DNS', 'DNS_ROUND_ROBIN', 'STATIC')),
  ports: List(Fields({ number: Int(), name: Opt(Str()), protocol: Opt(Str()), targetPort: Opt(Int()) })),
  exportTo: Strings,
});

const MtlsMode = Opt(Fields({ mode: Opt(OneOf('UNSET', 'DISABLE', 'PERMISSIVE', 'STRICT')) }));
const PeerAuthentication = Fields({
  selector: Selector,
  mtls: MtlsMode,
  portLevelMtls: Opt(Type.Record(Str(), Type.Union([MtlsMode]))),
});

interface Key {
  kid?: string;
  alg?: string;
}
/** @throws {SyntaxError} for what is no JSON Web Key Set */
export function keysOf(jwks: string): Key[] {
  const { keys } = JSON.parse(jwks) as { keys?: unknown };
  if (Array.isArray(keys)) return keys as Key[];
  throw new SyntaxError('no keys');
}

const TargetRefs = Opt(List(Fields({ group: Opt(Str()), kind: Str(), name: Str() })));
const RequestAuthentication = Fields({
  selector: Selector,
  targetRefs: TargetRefs,
  jwtRules: Opt(
    List(
      Fields({
        issuer: Str(),
        audiences: Strings,
        jwks: Opt(
          Type.Refine(
            Str(),
            (text) => reads(() => keysOf(text)),
            () => 'is no JSON Web Key Set',
          ),
        ),
        jwksUri: Opt(Str()),
        forwardOriginalToken: Opt(Bool()),
      }),
    ),
  ),
});

const CONDITION =
  '^(request\\.(headers|auth\\.claims)\\[[^\\]]+\\]|source\\.(principal|namespace|serviceAccount)|request\\.auth\\.principal|destination\\.port)$';
const AuthorizationRule = Fields({
  from: Opt(
    List(
      Fields({
        source: Opt(
          Fields({
            principals: Strings,
            notPrincipals: Strings,
            requestPrincipals: Strings,
            notRequestPrincipals: Strings,
            namespaces: Strings,
            notNamespaces: Strings,
            serviceAccounts: Strings,
            notServiceAccounts: Strings,
          }),
        ),
      }),
    ),
  ),
  to: Opt(
    List(
      Fields({
        operation: Opt(
          Fields({
            methods: Strings,
            notMethods: Strings,
            // Templates (`/{*}/`) are not modelled.
            paths: Opt(List(Str({ pattern: '^[^{]*$' }))),
            notPaths: Opt(List(Str({ pattern: '^[^{]*$' }))),
            ports: Strings,
            notPorts: Strings,
          }),
        ),
      }),
    ),
  ),
  when: Opt(List(Fields({ key: Str({ pattern: CONDITION }), values: Strings, notValues: Strings }))),
});
export type AuthorizationRule = Static<typeof AuthorizationRule>;
const AuthorizationPolicy = Fields({
  selector: Selector,
  targetRefs: TargetRefs,
  action: Opt(OneOf('ALLOW', 'DENY', 'AUDIT')),
  rules: Opt(List(AuthorizationRule)),
});

const LocalRateLimit = Type.Object({
  name: Type.Literal('envoy.filters.http.local_ratelimit'),
  typed_config: Type.Object({
    token_bucket: Fields({ max_tokens: Int(), tokens_per_fill: Opt(Int()), fill_interval: Str() }),
    filter_enabled: Opt(Any()),
    filter_enforced: Opt(Any()),
  }),
});
const EnvoyFilter = Fields({
  workloadSelector: Opt(Fields({ labels: Labels })),
  configPatches: List(
    Fields({
      applyTo: Type.Literal('HTTP_FILTER'),
      match: Type.Object({ context: Type.Literal('SIDECAR_INBOUND') }),
      patch: Fields({ operation: OneOf('INSERT_FIRST', 'INSERT_BEFORE'), value: LocalRateLimit }),
    }),
  ),
});

/** Of Kubernetes' own kinds only what routes; the rest is the kubelet's business. */
const Service = Type.Object({
  type: Opt(OneOf('ClusterIP', 'NodePort', 'LoadBalancer')),
  selector: Opt(Labels),
  ports: Opt(
    List(
      Type.Object({
        name: Opt(Str()),
        port: Int(),
        targetPort: Opt(Type.Union([Int(), Str()])),
        appProtocol: Opt(Str()),
      }),
    ),
  ),
});
const PodSpec = Type.Object({
  serviceAccountName: Opt(Str()),
  containers: List(
    Type.Object({
      name: Str(),
      env: Opt(List(Type.Object({ name: Str(), value: Opt(Str()) }))),
      ports: Opt(List(Type.Object({ name: Opt(Str()), containerPort: Int() }))),
    }),
  ),
  initContainers: Opt(List(Type.Object({ name: Str() }))),
});
const Workload = Type.Object({
  replicas: Opt(Int()),
  template: Type.Object({
    metadata: Opt(Type.Object({ labels: Opt(Labels), annotations: Opt(Labels) })),
    spec: PodSpec,
  }),
});

const Reference = Fields({
  group: Opt(Str()),
  kind: Opt(Str()),
  namespace: Opt(Str()),
  name: Str(),
  port: Opt(Int()),
  sectionName: Opt(Str()),
});
const Backend = {
  group: Opt(Type.Literal('')),
  kind: Opt(Type.Literal('Service')),
  name: Str(),
  port: Opt(Int()),
};
const NamedMatch = withRegex(Fields({ type: Opt(OneOf('Exact', 'RegularExpression')), name: Str(), value: Str() }));
const PathModifier = Opt(
  Fields({
    type: OneOf('ReplaceFullPath', 'ReplacePrefixMatch'),
    replaceFullPath: Opt(Str()),
    replacePrefixMatch: Opt(Str()),
  }),
);
const RouteFilter = Fields({
  type: OneOf('RequestHeaderModifier', 'ResponseHeaderModifier', 'RequestMirror', 'RequestRedirect', 'URLRewrite'),
  requestHeaderModifier: Opt(Any()),
  responseHeaderModifier: Opt(Any()),
  requestMirror: Opt(Fields({ backendRef: Fields(Backend), percent: Opt(Int()) })),
  requestRedirect: Opt(
    Fields({
      scheme: Opt(OneOf('http', 'https')),
      hostname: Opt(Str()),
      port: Opt(Int()),
      statusCode: Opt(OneOf(301, 302, 303, 307, 308)),
    }),
  ),
  urlRewrite: Opt(Fields({ hostname: Opt(Str()), path: PathModifier })),
});
const HTTPRoute = Fields({
  parentRefs: Opt(List(Reference)),
  hostnames: Strings,
  rules: Opt(
    List(
      Fields({
        name: Opt(Str()),
        matches: Opt(
          List(
            Fields({
              path: Opt(
                withRegex(Fields({ type: Opt(OneOf('Exact', 'PathPrefix', 'RegularExpression')), value: Opt(Str()) })),
              ),
              headers: Opt(List(NamedMatch)),
              queryParams: Opt(List(NamedMatch)),
              method: Opt(OneOf('GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH')),
            }),
          ),
        ),
        filters: Opt(List(RouteFilter)),
        backendRefs: Opt(List(Fields({ ...Backend, weight: Opt(Int()) }))),
        timeouts: Opt(Fields({ request: Duration, backendRequest: Duration })),
      }),
    ),
  ),
});
const K8sGateway = Fields({
  gatewayClassName: Type.Literal('istio'),
  listeners: List(
    Fields({
      name: Str(),
      port: Int(),
      protocol: Type.Literal('HTTP'),
      hostname: Opt(Str()),
      allowedRoutes: Opt(
        Fields({ namespaces: Opt(Fields({ from: Opt(OneOf('Same', 'All')) })), kinds: Opt(List(Any())) }),
      ),
    }),
  ),
  infrastructure: Opt(Any()),
});

/** `group/kind` to the schema of `spec`. */
export const SPECS = {
  '/Service': Service,
  'apps/Deployment': Workload,
  'apps/StatefulSet': Workload,
  '/Pod': PodSpec,
  'networking.istio.io/Gateway': Gateway,
  'networking.istio.io/VirtualService': VirtualService,
  'networking.istio.io/DestinationRule': DestinationRule,
  'networking.istio.io/ServiceEntry': ServiceEntry,
  'networking.istio.io/EnvoyFilter': EnvoyFilter,
  'security.istio.io/PeerAuthentication': PeerAuthentication,
  'security.istio.io/RequestAuthentication': RequestAuthentication,
  'security.istio.io/AuthorizationPolicy': AuthorizationPolicy,
  'gateway.networking.k8s.io/Gateway': K8sGateway,
  'gateway.networking.k8s.io/HTTPRoute': HTTPRoute,
} as const;
export type KindName = keyof typeof SPECS;
export type SpecOf<K extends KindName> = Static<(typeof SPECS)[K]>;

/** Kinds that send no request anywhere. */
export const IRRELEVANT = new Set([
  '/ConfigMap',
  '/Secret',
  '/ServiceAccount',
  '/PersistentVolumeClaim',
  'apps/ReplicaSet',
  'autoscaling/HorizontalPodAutoscaler',
  'policy/PodDisruptionBudget',
  'rbac.authorization.k8s.io/ClusterRole',
  'rbac.authorization.k8s.io/ClusterRoleBinding',
  'rbac.authorization.k8s.io/Role',
  'rbac.authorization.k8s.io/RoleBinding',
  'cert-manager.io/Certificate',
  'cert-manager.io/Issuer',
  'telemetry.istio.io/Telemetry',
  'install.istio.io/IstioOperator',
  'kustomize.config.k8s.io/Kustomization',
]);
