/** What no schema says about the files of k8s/: that the names in them meet, and that every pod is fit for the lab. */
import { existsSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse as parseYaml } from 'yaml';
import { SERVICES, WORKLOADS } from '../../local/workloads.ts';
import { appliedFiles, type Manifest, parse, type Resource, ROOT, text, yamlFiles } from './load.ts';

type Labels = Record<string, string>;
interface EnvVar {
  name: string;
  value?: string;
  valueFrom?: { secretKeyRef?: { name: string; key: string; optional?: boolean } };
}
interface Probe {
  httpGet?: { path: string; port: string | number };
  tcpSocket?: { port: string | number };
}
interface Container {
  name: string;
  image: string;
  imagePullPolicy?: string;
  env?: EnvVar[];
  ports?: { name: string; containerPort: number }[];
  resources?: { requests?: Labels; limits?: Labels };
  securityContext?: {
    allowPrivilegeEscalation?: boolean;
    readOnlyRootFilesystem?: boolean;
    privileged?: boolean;
    capabilities?: { drop?: string[]; add?: string[] };
  };
  startupProbe?: Probe;
  livenessProbe?: Probe;
  readinessProbe?: Probe;
  lifecycle?: { preStop?: { sleep?: { seconds: number } } };
}
interface PodTemplate {
  metadata: { labels: Labels; annotations?: Labels };
  spec: {
    serviceAccountName?: string;
    automountServiceAccountToken?: boolean;
    hostNetwork?: boolean;
    terminationGracePeriodSeconds?: number;
    securityContext?: {
      runAsNonRoot?: boolean;
      runAsUser?: number;
      fsGroup?: number;
      seccompProfile?: { type: string };
    };
    initContainers?: Container[];
    containers: Container[];
    volumes?: { name: string; configMap?: { name: string }; emptyDir?: object; hostPath?: object }[];
  };
}
interface Selector {
  matchLabels?: Labels;
  matchExpressions?: { key: string; operator: string; values?: string[] }[];
}
interface Workload extends Manifest {
  kind: 'Deployment' | 'StatefulSet';
  spec: { selector: Selector; template: PodTemplate };
}

const k8s = appliedFiles()
  .filter((file) => file.startsWith('k8s/'))
  .flatMap(parse);
const isWorkload = (doc: Manifest): doc is Workload => doc.kind === 'Deployment' || doc.kind === 'StatefulSet';
const workloads = k8s.flatMap(({ file, doc }) => (isWorkload(doc) ? [{ file, doc, name: doc.metadata.name }] : []));
const templates = workloads.map(({ doc }) => doc.spec.template);
const ofKind = (kind: string): Resource[] => k8s.filter(({ doc }) => doc.kind === kind);
const has = (kind: string, name: string): boolean => ofKind(kind).some(({ doc }) => doc.metadata.name === name);
const title = ({ file, doc }: Resource): string => `${file} ${doc.kind}/${doc.metadata.name}`;

function matches({ matchLabels = {}, matchExpressions = [] }: Selector, labels: Labels): boolean {
  const equal = Object.entries(matchLabels).every(([key, value]) => labels[key] === value);
  return (
    equal &&
    matchExpressions.every(({ key, operator, values = [] }) => {
      const value = labels[key];
      if (operator === 'In') return value !== undefined && values.includes(value);
      if (operator === 'Exists') return value !== undefined;
      throw new Error(`no ${operator} so far`);
    })
  );
}
const podsOf = (selector: Selector): PodTemplate[] =>
  templates.filter(({ metadata }) => matches(selector, metadata.labels));

describe('the files', () => {
  test.for([
    'bookinfo',
    'bookinfo-certificate',
    'bookinfo-db',
    'bookinfo-details',
    'bookinfo-details-dualstack',
    'bookinfo-details-v2',
    'bookinfo-dualstack',
    'bookinfo-ingress',
    'bookinfo-mysql',
    'bookinfo-psa',
    'bookinfo-ratings',
    'bookinfo-ratings-discovery',
    'bookinfo-ratings-discovery-dualstack',
    'bookinfo-ratings-dualstack',
    'bookinfo-ratings-v2',
    'bookinfo-ratings-v2-mysql',
    'bookinfo-ratings-v2-mysql-vm',
    'bookinfo-reviews-v2',
    'bookinfo-versions',
    'productpage-nodeport',
  ])('include %s.yaml, which tutorials name', (name) => {
    expect(existsSync(join(ROOT, 'k8s', `${name}.yaml`))).toBe(true);
  });

  test.for(appliedFiles())('%s starts with two comments: what it shows, how to see it', (file) => {
    const [shows, seeIt] = text(file).split('\n');
    expect(shows).toMatch(/^# \S.*\.$/);
    expect(seeIt).toMatch(/^# See it: \S/);
  });

  test.for(appliedFiles())('%s says where to edit it if it is generated, and else no more than that', (file) => {
    const lesson = `k8s/kustomize/lessons/${basename(file, '.yaml')}`;
    const isGenerated = dirname(file) === 'k8s' && existsSync(join(ROOT, lesson));
    const [, , third, fourth] = text(file).split('\n');
    if (isGenerated) expect(third).toBe(`# Generated from ${lesson}; edit there`);
    expect(isGenerated ? fourth : third).not.toMatch(/^#/);
  });

  test.for(appliedFiles().filter((file) => file.startsWith('k8s/')))('%s refers to files that exist', (file) => {
    const named = text(file).match(/\b(?:k8s|istio)\/[\w./-]+\.(?:yaml|sh)\b/g) ?? [];
    expect(named.filter((name) => !existsSync(join(ROOT, name)))).toEqual([]);
  });

  test('use stable APIs only, but for kinds that have none', () => {
    const unstable = k8s.filter(
      ({ doc }) => !/\/?v\d+$/.test(doc.apiVersion) && !doc.apiVersion.startsWith('argoproj.io/'),
    );
    expect(unstable.map(title)).toEqual([]);
  });

  test.for([
    ['service', 'Service', 1],
    ['account', 'ServiceAccount', 1],
  ] as const)('bookinfo.yaml is applied in parts by -l %s=…', ([label, kind, count]) => {
    for (const app of ['productpage', 'details', 'reviews', 'ratings']) {
      const picked = parse('k8s/bookinfo.yaml').filter(({ doc }) => doc.metadata.labels?.[label] === app);
      expect(picked.map(({ doc }) => doc.kind)).toEqual(Array(count).fill(kind));
    }
  });

  test.for(['v1', 'v2', 'v3'])('bookinfo.yaml -l app=reviews,version=%s is that one Deployment', (version) => {
    const picked = parse('k8s/bookinfo.yaml').filter(({ doc }) =>
      matches({ matchLabels: { app: 'reviews', version } }, doc.metadata.labels ?? {}),
    );
    expect(picked.map(({ doc }) => `${doc.kind}/${doc.metadata.name}`)).toEqual([`Deployment/reviews-${version}`]);
  });
});

describe('names meet', () => {
  test.for(ofKind('Service').map((r) => [title(r), r.doc] as const))(
    '%s selects pods that have its ports',
    ([, doc]) => {
      const spec = doc.spec as {
        selector: Labels;
        ports: { name: string; port: number; targetPort?: string | number }[];
      };
      const pods = podsOf({ matchLabels: spec.selector });
      expect(pods, `pods of ${JSON.stringify(spec.selector)}`).not.toEqual([]);
      for (const { port, targetPort = port } of spec.ports) {
        for (const { spec: pod } of pods) {
          const ports = pod.containers.flatMap((container) => container.ports ?? []);
          expect(ports.flatMap(({ name, containerPort }) => [name, containerPort])).toContain(targetPort);
        }
      }
    },
  );

  test.for([...ofKind('PodDisruptionBudget'), ...ofKind('NetworkPolicy')].map((r) => [title(r), r.doc] as const))(
    '%s selects pods, and peers that are there',
    ([, doc]) => {
      const spec = doc.spec as {
        selector?: Selector;
        podSelector?: Selector;
        ingress?: { from?: Peer[]; ports?: { port: number }[] }[];
        egress?: { to?: Peer[]; ports?: { port: number }[] }[];
      };
      type Peer = { podSelector?: Selector; namespaceSelector?: Selector };
      const own = podsOf(spec.selector ?? spec.podSelector ?? {});
      expect(own).not.toEqual([]);
      // Peers of other namespaces, and gateways that the Gateway API makes, are no pods of these files.
      const local = (peers: Peer[] = []) =>
        peers.flatMap(({ podSelector, namespaceSelector }) =>
          podSelector &&
          !namespaceSelector &&
          !podSelector.matchExpressions?.some(({ operator }) => operator === 'Exists')
            ? [podSelector]
            : [],
        );
      for (const { from, ports = [] } of spec.ingress ?? []) {
        for (const selector of local(from)) {
          expect(podsOf(selector), JSON.stringify(selector)).not.toEqual([]);
          for (const { port } of ports) expect(portsOf(own)).toContain(port);
        }
      }
      for (const { to, ports = [] } of spec.egress ?? []) {
        for (const selector of local(to)) {
          expect(podsOf(selector), JSON.stringify(selector)).not.toEqual([]);
          for (const { port } of ports) expect(portsOf(podsOf(selector))).toContain(port);
        }
      }
    },
  );
  const portsOf = (pods: PodTemplate[]): number[] =>
    pods.flatMap(({ spec }) => spec.containers.flatMap(({ ports = [] }) => ports.map((port) => port.containerPort)));

  test.for(ofKind('HorizontalPodAutoscaler').map((r) => [title(r), r.doc] as const))(
    '%s scales a workload by what its container requests',
    ([, doc]) => {
      const spec = doc.spec as {
        scaleTargetRef: { kind: string; name: string };
        metrics: { containerResource: { container: string; name: string } }[];
      };
      const target = workloads.find(
        ({ doc: { kind }, name }) => kind === spec.scaleTargetRef.kind && name === spec.scaleTargetRef.name,
      );
      const containers = target?.doc.spec.template.spec.containers ?? [];
      for (const { containerResource } of spec.metrics) {
        const container = containers.find(({ name }) => name === containerResource.container);
        expect(container?.resources?.requests?.[containerResource.name]).toBeDefined();
      }
    },
  );

  test.for(ofKind('Ingress').map((r) => [title(r), r.doc] as const))(
    '%s leads to named ports of Services',
    ([, doc]) => {
      const spec = doc.spec as {
        ingressClassName: string;
        rules: {
          http: { paths: { path: string; backend: { service: { name: string; port: { name: string } } } }[] };
        }[];
      };
      expect(has('IngressClass', spec.ingressClassName)).toBe(true);
      for (const { backend } of spec.rules.flatMap((rule) => rule.http.paths)) {
        const service = ofKind('Service').find(({ doc: { metadata } }) => metadata.name === backend.service.name);
        const ports = (service?.doc.spec as { ports: { name: string }[] } | undefined)?.ports;
        expect(ports?.map(({ name }) => name)).toContain(backend.service.port.name);
      }
    },
  );

  test.for(workloads.map((w) => [title(w), w.doc] as const))(
    '%s names what is there: labels, account, configuration, secrets, ports',
    ([, { spec }]) => {
      const pod = spec.template.spec;
      expect(matches(spec.selector, spec.template.metadata.labels), 'its selector and its pods').toBe(true);
      if (pod.serviceAccountName)
        expect(has('ServiceAccount', pod.serviceAccountName), pod.serviceAccountName).toBe(true);
      for (const { configMap } of pod.volumes ?? [])
        if (configMap) expect(has('ConfigMap', configMap.name), configMap.name).toBe(true);
      for (const { env = [], ports = [], ...container } of pod.containers) {
        for (const { valueFrom } of env) {
          const wanted = valueFrom?.secretKeyRef;
          if (!wanted) continue;
          const secret = ofKind('Secret').find(({ doc }) => doc.metadata.name === wanted.name);
          expect(Object.keys((secret?.doc.stringData as object | undefined) ?? {}), wanted.name).toContain(wanted.key);
        }
        const probes = [container.startupProbe, container.livenessProbe, container.readinessProbe];
        for (const { port } of probes.flatMap((probe) => probe?.httpGet ?? probe?.tcpSocket ?? []))
          expect(ports.flatMap(({ name, containerPort }) => [name, containerPort])).toContain(port);
      }
    },
  );
});

describe('every pod', () => {
  test('comes from a pinned image, one version of it everywhere', () => {
    const images = [...new Set(templates.flatMap(({ spec }) => spec.containers.map(({ image }) => image)))];
    for (const image of images) expect(image).toMatch(/^[a-z0-9./-]+:\d[\w.]*$/);
    const names = images.map((image) => image.split(':')[0]);
    expect(names).toEqual([...new Set(names)]);
  });

  test.for(workloads.map((w) => [title(w), w.doc] as const))(
    '%s passes Pod Security "restricted", and more',
    ([, doc]) => {
      const { spec: pod } = doc.spec.template;
      expect(pod.automountServiceAccountToken).toBe(false);
      expect(pod.hostNetwork).toBeUndefined();
      expect(pod.securityContext).toMatchObject({ runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } });
      if (pod.securityContext?.runAsUser !== undefined) expect(pod.securityContext.runAsUser).toBeGreaterThan(0);
      for (const volume of pod.volumes ?? []) expect(volume.configMap ?? volume.emptyDir, volume.name).toBeDefined();
      for (const container of [...pod.containers, ...(pod.initContainers ?? [])]) {
        expect(container.securityContext).toEqual({
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          capabilities: { drop: ['ALL'] },
        });
        expect(container.imagePullPolicy).toBe('IfNotPresent');
        expect(container.resources?.requests).toMatchObject({ cpu: expect.any(String), memory: expect.any(String) });
        expect(container.resources?.limits).toMatchObject({ memory: expect.any(String) });
      }
    },
  );

  test.for(workloads.map((w) => [title(w), w.doc] as const))('%s defines a variable before it uses it', ([, doc]) => {
    for (const { env = [] } of doc.spec.template.spec.containers) {
      env.forEach(({ name, value = '' }, index) => {
        const before = env.slice(0, index).map((variable) => variable.name);
        for (const [, used] of value.matchAll(/\$\((\w+)\)/g)) expect(before, `${name} uses ${used}`).toContain(used);
      });
    }
  });
});

describe('every Bookinfo service', () => {
  const services = workloads.filter(({ doc }) =>
    SERVICES.some((service) => doc.spec.template.spec.containers[0]?.image.includes(`/${service}:`)),
  );
  const firstContainer = ({ doc }: { doc: Workload }): Container => {
    const [container] = doc.spec.template.spec.containers;
    if (!container) throw new Error(`${doc.metadata.name} has no container`);
    return container;
  };

  test.for(services.map((w) => [title(w), w] as const))('%s is named, probed and measured alike', ([, service]) => {
    const { metadata, spec } = service.doc.spec.template;
    const container = firstContainer(service);
    const { app = '', version = '' } = metadata.labels;
    expect(service.name).toBe(`${app}-${version}`);
    expect(service.doc.metadata.labels).toEqual({ app, version });
    expect(container.name).toBe(app);
    expect(container.image).toMatch(new RegExp(`/${app}:`));
    expect(spec.serviceAccountName).toMatch(new RegExp(`^bookinfo-${app}(-v2)?$`));
    expect(metadata.annotations).toEqual({
      'prometheus.io/scrape': 'true',
      'prometheus.io/port': '9080',
      'prometheus.io/path': '/metrics',
      'resource.opentelemetry.io/service.name': app,
    });
    expect(container.startupProbe?.httpGet?.path).toBe('/health/live');
    expect(container.readinessProbe?.httpGet?.path).toBe('/health/ready');
    expect(container.livenessProbe?.httpGet?.path).toBe(version === 'v-unhealthy' ? '/health' : '/health/live');
    const sleep = container.lifecycle?.preStop?.sleep?.seconds ?? 0;
    expect(sleep).toBeGreaterThan(0);
    // The longest request that a pod may have to finish is the 10 s that reviews v2 waits for ratings.
    expect(spec.terminationGracePeriodSeconds).toBeGreaterThan(sleep + 10);
    const attributes = container.env?.find(({ name }) => name === 'OTEL_RESOURCE_ATTRIBUTES')?.value;
    expect(attributes).toContain(`k8s.deployment.name=${service.name}`);
  });

  test('leaves its user to the image or the cluster, which OpenShift asks for', () => {
    expect(
      text('Dockerfile')
        .match(/^USER .*/gm)
        ?.at(-1),
    ).toMatch(/^USER [1-9]\d*(:\d+)?$/);
    for (const { doc } of services)
      expect(Object.keys(doc.spec.template.spec.securityContext ?? {}).sort()).toEqual([
        'runAsNonRoot',
        'seccompProfile',
      ]);
  });

  test('is there in every version', () => {
    expect(new Set(services.map(({ name }) => name))).toEqual(new Set(WORKLOADS.map(({ name }) => name)));
  });

  test.for(services.map((w) => [title(w), w] as const))('%s differs by its environment', ([, service]) => {
    const own = (firstContainer(service).env ?? []).flatMap(({ name, value }) =>
      value === undefined || name.startsWith('OTEL_') || name === 'JAEGER_UI_URL' ? [] : [[name, value] as const],
    );
    expect(Object.fromEntries(own)).toEqual(WORKLOADS.find(({ name }) => name === service.name)?.env);
  });
});

describe('the sources', () => {
  interface Kustomization {
    kind: 'Kustomization' | 'Component';
    resources?: string[];
    components?: string[];
    patches?: { path?: string }[];
  }
  const files = yamlFiles('k8s/kustomize');
  const kustomizations = files
    .filter((file) => basename(file) === 'kustomization.yaml')
    .map((file) => ({ folder: dirname(file), ...(parseYaml(text(file)) as Kustomization) }));
  const listed = kustomizations.flatMap(({ folder, resources = [], components = [], patches = [] }) =>
    [...resources, ...components, ...patches.flatMap(({ path }) => path ?? [])].map((entry) => join(folder, entry)),
  );

  test('have no file or folder that nothing builds', () => {
    const parts = [
      ...files.filter((file) => basename(file) !== 'kustomization.yaml'),
      ...kustomizations.map((k) => k.folder),
    ];
    // A lesson is built by generate.ts, a feature by whoever wants it.
    const isWhole = (name: string) => /^k8s\/kustomize\/(app|(lessons|features)\/[^/]+)$/.test(name);
    expect(parts.filter((name) => !isWhole(name) && !listed.includes(name))).toEqual([]);
  });

  test.for(kustomizations.map((k) => [k.folder, k] as const))('%s adds or patches, as its kind says', ([folder, k]) => {
    if (k.kind === 'Component') expect(k.resources).toBeUndefined();
    else expect(k.resources).not.toEqual([]);
    expect(k.kind === 'Component').toBe(/\/(features\/[^/]+|every-version)$/.test(folder));
  });

  test('are alike for all services, but for their names and the variables of productpage', () => {
    const [details, ...others] = ['details', 'ratings', 'reviews', 'productpage'].map((name) => {
      const source = text(`k8s/kustomize/app/${name}/every-version/deployment.yaml`).replace(/ #.*/g, '');
      const doc = parseYaml(source.replaceAll(name, 'NAME')) as Workload;
      for (const container of doc.spec.template.spec.containers)
        container.env = (container.env ?? []).filter(
          (variable) => !['SESSION_SECRET', 'JAEGER_UI_URL'].includes(variable.name),
        );
      return doc;
    });
    for (const other of others) expect(other).toEqual(details);
  });
});

test('the analysis of the rollout asks for the version that the rollout moves to, and for nothing else', () => {
  const file = 'k8s/rollouts/reviews.yaml';
  const spec = (kind: string) => parse(file).find(({ doc }) => doc.kind === kind)?.doc.spec;
  const { strategy } = spec('Rollout') as {
    strategy: { canary: { steps: { analysis?: { args: { name: string; value: string }[] } }[] } };
  };
  const target = text(file).match(/"workloadRef":\{"name":"reviews-(\w+)"\}/)?.[1];
  expect(strategy.canary.steps.flatMap(({ analysis }) => analysis?.args ?? [])).toEqual([
    { name: 'version', value: target },
  ]);
  const { metrics } = spec('AnalysisTemplate') as { metrics: { provider: { prometheus: { query: string } } }[] };
  for (const { provider } of metrics) {
    const selectors = provider.prometheus.query.match(/\{[^{}]*(\{\{[^}]*\}\}[^{}]*)*\}/g) ?? [];
    expect(selectors).toHaveLength(2);
    for (const selector of selectors) expect(selector).toContain('destination_version="{{args.version}}"');
  }
});
