/** The Dockerfile, docker-compose.yml and what belongs to them, as far as reading them tells. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse as parseYaml } from 'yaml';
import { MEMORY_BOUNDS } from '../../local/process.ts';
import { SERVICES, WORKLOADS } from '../../local/workloads.ts';
import { parse, ROOT, text, yamlFiles } from './load.ts';

interface ComposeService {
  image: string;
  build?: { context: string; args: Record<string, string> };
  profiles?: string[];
  hostname?: string;
  user?: string;
  environment?: Record<string, string>;
  networks?: { default?: { aliases?: string[] } };
  ports?: string[];
  volumes?: string[];
  depends_on?: Record<string, { condition: string }>;
  healthcheck?: { test?: string[] };
  mem_limit?: string;
  pids_limit?: number;
  read_only?: boolean;
  cap_drop?: string[];
  security_opt?: string[];
}
interface Compose {
  services: Record<string, ComposeService>;
  volumes: Record<string, unknown>;
}

const read = (file: string): unknown => parseYaml(text(file), { merge: true, uniqueKeys: true, maxAliasCount: -1 });
const compose = read('docker-compose.yml') as Compose;
const services = Object.entries(compose.services);
const dockerfile = text('Dockerfile');
/** Lines that continue the one before are joined to it. */
const instructions = dockerfile
  .replace(/^#.*\n/gm, '')
  .replace(/\\\n\s*/g, '')
  .split('\n')
  .filter(Boolean);

/** `bookinfo-ts/ratings:1.0.0` from `${IMAGE_PREFIX}/ratings:${IMAGE_TAG}` with what .env says. */
const dotenv = new Map([...text('.env').matchAll(/^([A-Z_]+)=(.*)$/gm)].map(([, name, value]) => [name, value]));
const resolved = (value: string) => value.replace(/\$\{(\w+)\}/g, (_, name) => dotenv.get(name) ?? '');

const isOurs = (service: ComposeService) => service.build !== undefined;
/** The services that play a version of Bookinfo, by name: `ratings-v2-mysql`. */
const workloads = services.filter(([name, service]) => isOurs(service) && name !== 'load');
/** What does not make a version: where things are, and secrets. */
const SHARED_VARIABLES = [
  'LOG_LEVEL',
  'OTEL_EXPORTER_OTLP_ENDPOINT',
  'RATINGS_HOSTNAME',
  'SESSION_SECRET',
  'JAEGER_UI_URL',
  'MYSQL_DB_PASSWORD',
];

describe('docker-compose.yml', () => {
  test.each(services)('%s is confined', (_name, service) => {
    expect(service).toMatchObject({
      read_only: true,
      cap_drop: ['ALL'],
      security_opt: ['no-new-privileges:true'],
      mem_limit: expect.stringMatching(/^\d+m$/),
      pids_limit: expect.any(Number),
    });
    for (const port of service.ports ?? []) expect(port).toMatch(/^127\.0\.0\.1:\$\{[A-Z]+_PORT\}:\d+$/);
  });

  test.each(services)('%s says whether it is healthy', (name, service) => {
    // Ours do so in the Dockerfile; `load` runs no server.
    if (!isOurs(service) || name === 'load') expect(service.healthcheck?.test?.[0]).toBe('CMD');
    else expect(service.healthcheck).toEqual(expect.not.objectContaining({ test: expect.anything() }));
  });

  test.each(services)('%s has an image of one version', (_name, service) => {
    const tag = /^[\w./-]+:([\w.-]+)$/.exec(resolved(service.image))?.[1];
    expect(tag).toMatch(/^v?\d+(\.\d+)+$/);
  });

  test('runs by default what k8s/bookinfo.yaml deploys', () => {
    const byDefault = services.filter(([, { profiles }]) => !profiles).map(([name]) => name);
    const deployed = parse('k8s/bookinfo.yaml').filter(({ doc }) => doc.kind === 'Deployment');
    expect(byDefault.toSorted()).toEqual(deployed.map(({ doc }) => doc.metadata.name).toSorted());
  });

  test.each(workloads)('%s is a version of its service', (name, service) => {
    const { service: app, env } = WORKLOADS.find((workload) => workload.name === name) ?? {};
    const own = Object.entries(service.environment ?? {}).filter(([variable]) => !SHARED_VARIABLES.includes(variable));
    expect(Object.fromEntries(own)).toEqual(env);
    expect(service.hostname).toBe(name);
    expect(service.networks?.default?.aliases).toEqual([app]);
    expect(service.build?.args.SERVICE).toBe(app);
    expect(service.image).toBe(`\${IMAGE_PREFIX}/${app}:\${IMAGE_TAG}`);
  });

  test('has the images that Kubernetes has', () => {
    const inKubernetes = new Set(
      ['k8s', 'istio/addons'].flatMap((folder) =>
        yamlFiles(folder).flatMap((file) =>
          [...text(file).matchAll(/^\s*(?:- )?image: "?([^\s"]+:[^\s"]+)/gm)].map((m) => m[1]),
        ),
      ),
    );
    const images = new Set(services.map(([, { image }]) => resolved(image)));
    expect([...images].filter((image) => !inKubernetes.has(image))).toEqual([]);
  });

  test('has the profiles that .env lists, and the default has none', () => {
    const listed = /a list of ([\w, -]+)\./.exec(text('.env'))?.[1]?.split(', ').sort();
    expect([...new Set(services.flatMap(([, { profiles }]) => profiles ?? []))].sort()).toEqual(listed);
    expect(dotenv.get('COMPOSE_PROFILES')).toBe('');
  });

  test('takes every knob from .env, and every knob is explained there', () => {
    const used = new Set([...text('docker-compose.yml').matchAll(/\$\{(\w+)\}/g)].map((m) => m[1]));
    expect([...dotenv.keys()].filter((name) => !name?.startsWith('COMPOSE_')).sort()).toEqual([...used].sort());
    for (const block of text('.env').trim().split('\n\n')) expect(block).toMatch(/^#/);
  });

  test('mounts what is there, and names the volumes it uses', () => {
    const mounts = services.flatMap(([, { volumes }]) => volumes ?? []).map((volume) => volume.split(':')[0] ?? '');
    for (const mount of mounts) {
      if (mount.startsWith('./')) expect(existsSync(join(ROOT, mount)), mount).toBe(true);
      else expect(Object.keys(compose.volumes)).toContain(mount);
    }
    expect(Object.keys(compose.volumes).filter((volume) => !mounts.includes(volume))).toEqual([]);
  });

  test('waits for health wherever it waits', () => {
    for (const [, { depends_on }] of services)
      for (const [name, { condition }] of Object.entries(depends_on ?? {})) {
        expect(condition).toBe('service_healthy');
        expect(Object.keys(compose.services)).toContain(name);
      }
  });
});

describe('compose/', () => {
  test('Prometheus looks for every workload', () => {
    const { scrape_configs } = read('compose/prometheus.yml') as {
      scrape_configs: { dns_sd_configs: { names: string[] }[] }[];
    };
    expect(scrape_configs[0]?.dns_sd_configs[0]?.names.toSorted()).toEqual(workloads.map(([name]) => name).sort());
  });

  test('the data source is the one that the dashboards name', () => {
    const { datasources } = read('compose/grafana/datasources.yaml') as { datasources: { uid: string }[] };
    for (const file of readdirSync(join(ROOT, 'istio/addons/dashboards')))
      expect(text(`istio/addons/dashboards/${file}`)).toContain(`"uid": "${datasources[0]?.uid}"`);
  });
});

describe('Dockerfile', () => {
  const last = instructions.slice(instructions.findLastIndex((line) => line.startsWith('FROM ')));
  const value = (name: string) => last.find((line) => line.startsWith(`${name} `))?.slice(name.length + 1);

  test('runs Node itself, as a number that is not root', () => {
    expect(value('USER')).toBe('1000:1000');
    expect(JSON.parse(value('CMD') ?? '')).toEqual(['node', '--import', './dist/register.js', 'dist/server.js']);
    expect(value('HEALTHCHECK')).toContain('CMD ["node", "-e"');
    expect(value('ENTRYPOINT')).toBeUndefined();
  });

  test('bounds the memory of a service as start does', () => {
    const variables = (value('ENV') ?? '').matchAll(/(\w+)=(?:"(.*?)"|(\S+))/g);
    const env = Object.fromEntries([...variables].map(([, name, quoted, plain]) => [name, quoted ?? plain]));
    expect(env).toEqual({ NODE_ENV: 'production', ...MEMORY_BOUNDS });
  });

  test('names its base image as .env does', () => {
    expect(instructions[0]).toBe(`ARG NODE_IMAGE=${dotenv.get('NODE_IMAGE')}`);
    for (const line of instructions.filter((l) => l.startsWith('FROM ') && !l.startsWith('FROM dependencies ')))
      expect(line).toMatch(/\$\{NODE_IMAGE\}/);
  });

  test('installs from the lock file, with credentials that stay outside', () => {
    const installs = instructions.filter((line) => /(npm|pnpm) install/.test(line));
    expect(installs).toHaveLength(2);
    for (const line of installs) expect(line).toContain('--mount=type=secret,id=npmrc,target=/root/.npmrc');
    expect(installs[1]).toContain('--prod --frozen-lockfile');
    expect(dockerfile).not.toMatch(/^(COPY|ADD) .*npmrc|_auth/m);
  });

  test('the context has nothing but what is named in .dockerignore', () => {
    const [first, ...rules] = text('.dockerignore')
      .replace(/^#.*\n/gm, '')
      .trim()
      .split('\n');
    expect(first).toBe('*');
    expect(rules.filter((rule) => rule.startsWith('!')).sort()).toEqual([
      '!package.json',
      '!packages',
      '!pnpm-lock.yaml',
      '!pnpm-workspace.yaml',
      '!services',
    ]);
  });
});

test('docker-bake.hcl builds each image once', () => {
  const list = /"?SERVICES"? \{\s*default = (\[[^\]]*\])/.exec(text('docker-bake.hcl'))?.[1] ?? '[]';
  expect((JSON.parse(list) as string[]).toSorted()).toEqual([...SERVICES].sort());
  for (const service of SERVICES) expect(Object.keys(compose.services)).toContain(`${service}-v1`);
});

describe('docker-bake.hcl has drop-in images', () => {
  const bake = text('docker-bake.hcl');
  const pairs = (text = '') => Object.fromEntries([...text.matchAll(/(\w+) = "?([\w-]+)"?/g)].map((m) => [m[1], m[2]]));
  const images = [...bake.matchAll(/\{ name = "([\w-]+)", service = "(\w+)", env = \{(.*?)\} \}/g)].map(
    ([, name = '', service, env]) => ({ name, service, env: pairs(env) }),
  );

  test('for the fifteen names of the original, under the prefix of the others', () => {
    const databases = [...bake.matchAll(/\{ name = "(\w+)", base =/g)].map(([, name]) => name);
    expect([...images.map(({ name }) => name), ...databases].toSorted()).toEqual(
      [
        ...['details-v1', 'details-v2', 'mongodb', 'mysqldb', 'productpage-v-flooding', 'productpage-v1'],
        ...['ratings-v-delayed', 'ratings-v-faulty', 'ratings-v-unavailable', 'ratings-v-unhealthy'],
        ...['ratings-v1', 'ratings-v2', 'reviews-v1', 'reviews-v2', 'reviews-v3'],
      ].toSorted(),
    );
    expect(bake).toContain(`variable "IMAGE_PREFIX" {\n  default = "${dotenv.get('IMAGE_PREFIX')}"\n}`);
  });

  test.for(images)('$name plays its version, as far as its manifest does not say it', ({ name, service, env }) => {
    const workload = WORKLOADS.find((it) => it.name === name);
    expect(workload?.service).toBe(service);
    const { DO_NOT_ENCRYPT: _, MONGO_DB_URL: __, ...expected } = workload?.env ?? {};
    expect({ SERVICE_VERSION: 'v1', ...env }).toEqual(expected);
  });
});
