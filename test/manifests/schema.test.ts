/** Every manifest is valid against the published schema of its kind, and has no field that the schema does not know. */
import { describe, expect, test } from 'vitest';
import { appliedFiles, type Manifest, parse } from './load.ts';

interface Model {
  prototype: { validate(this: object): void };
}

/** Where the schemas of an API group come from; the groups of Kubernetes itself are in `kubernetes-models`. */
const PACKAGES: [suffix: string, kinds: RegExp, name: string][] = [
  ['istio.io', /./, '@kubernetes-models/istio'],
  ['gateway.networking.k8s.io', /./, '@kubernetes-models/gateway-api'],
  ['cert-manager.io', /./, '@kubernetes-models/cert-manager'],
  ['argoproj.io', /^Application/, '@kubernetes-models/argo-cd'],
  ['argoproj.io', /./, '@kubernetes-models/argo-rollouts'],
  ['monitoring.coreos.com', /./, '@kubernetes-models/prometheus-operator'],
];

/** Fields whose content no published schema describes. `istioctl` itself reads this one; test/apiserver lets it. */
const UNPUBLISHED = new Set(['IstioOperator.spec']);

async function modelOf({ apiVersion, kind }: Manifest): Promise<Model> {
  const group = apiVersion.split('/').slice(0, -1).join('/');
  const [, , name] = PACKAGES.find(([suffix, kinds]) => group.endsWith(suffix) && kinds.test(kind)) ?? [];
  const models = (await import(`${name ?? 'kubernetes-models'}/${apiVersion}`)) as Record<string, Model>;
  const model = models[kind];
  if (!model) throw new Error(`${apiVersion} has no kind ${kind}`);
  return model;
}

/**
 * A view of `value` that writes down which fields are read. The validators are compiled from the schemas
 * and read the fields that they know, so a field which stays unread beside others is one they do not know.
 */
function watched<T extends object>(value: T, path: string, unread: Map<string, Set<string>>): T {
  const read = (key: string | symbol) => {
    const keys = unread.get(path) ?? new Set(Object.keys(value));
    unread.set(path, keys);
    keys.delete(String(key));
  };
  const views = new Map<string | symbol, unknown>();
  return new Proxy(value, {
    get(target, key, receiver) {
      if (!Array.isArray(target)) read(key);
      const child: unknown = Reflect.get(target, key, receiver);
      if (typeof child !== 'object' || child === null) return child;
      if (!views.has(key)) views.set(key, watched(child, `${path}.${String(key)}`, unread));
      return views.get(key);
    },
  });
}

async function problems(doc: Manifest): Promise<string[]> {
  const model = await modelOf(doc);
  const unread = new Map<string, Set<string>>();
  try {
    model.prototype.validate.call(watched(doc, doc.kind, unread));
  } catch (error) {
    return [String(error)];
  }
  return [...unread]
    .flatMap(([path, keys]) => [...keys].map((key) => `${path}.${key}`))
    .filter((field) => !UNPUBLISHED.has(field))
    .map((field) => `${field} is not in the schema`);
}

describe('the schema of each kind', () => {
  test.for(appliedFiles())('accepts %s', async (file) => {
    const found = parse(file).map(async ({ doc }) =>
      (await problems(doc)).map((problem) => `${doc.kind} ${doc.metadata.name}: ${problem}`),
    );
    expect((await Promise.all(found)).flat()).toEqual([]);
  });
});

describe('the check itself', () => {
  const manifest = (apiVersion: string, kind: string, spec: object): Manifest => ({
    apiVersion,
    kind,
    metadata: { name: 'example' },
    spec,
  });

  test.for([
    ['a wrong type', manifest('v1', 'Service', { ports: 'http' }), /ports must be array/],
    ['a misspelt field', manifest('v1', 'Service', { selektor: {} }), /Service\.spec\.selektor is not in the schema/],
    [
      'a misspelt field deep inside',
      manifest('apps/v1', 'Deployment', {
        selector: {},
        template: { spec: { containers: [{ name: 'a', resources: { limits: { memory: '1Mi' }, request: {} } }] } },
      }),
      /containers\.0\.resources\.request is not in the schema/,
    ],
    [
      'a field that Istio no longer has',
      manifest('networking.istio.io/v1', 'DestinationRule', { host: 'reviews', trafficPolicy: { circuitBreaker: {} } }),
      /trafficPolicy\.circuitBreaker is not in the schema/,
    ],
    ['an API version that nobody knows', manifest('apps/v9', 'Deployment', {}), /apps\/v9/],
  ] as const)('refuses %s', async ([, doc, complaint]) => {
    const found = await problems(doc).catch((error: unknown) => [String(error)]);
    expect(found.join('\n')).toMatch(complaint);
  });
});
