/** The generated files of k8s/ are what their sources build, and every optional part builds with the others. */
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { parseAllDocuments, stringify } from 'yaml';
import { type Manifest, parse, ROOT, text } from './load.ts';

const SOURCES = join(ROOT, 'k8s/kustomize');

const { error } = spawnSync('kubectl', ['version', '--client']);
if (error) console.log('The drift tests are skipped: kubectl, which builds the kustomizations, was not found.');

test.skipIf(error)('the flat files of k8s/ are up to date', () => {
  const { status, stderr } = spawnSync(process.execPath, [join(ROOT, 'k8s/generate.ts'), '--check'], {
    encoding: 'utf8',
  });
  expect(stderr).toBe('');
  expect(status).toBe(0);
});

const kustomize = (folder: string): string => execFileSync('kubectl', ['kustomize', folder], { encoding: 'utf8' });

/** What a kustomization of these folders of k8s/kustomize builds. */
function build(resources: string[], components: string[]): Manifest[] {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'bookinfo-')));
  const path = (name: string) => relative(folder, join(SOURCES, name));
  try {
    writeFileSync(
      join(folder, 'kustomization.yaml'),
      stringify({ resources: resources.map(path), components: components.map(path) }),
    );
    return parseAllDocuments(kustomize(folder)).map((document) => document.toJS() as Manifest);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const names = (docs: Manifest[]): string[] => docs.map(({ kind, metadata }) => `${kind}/${metadata.name}`);

/** The application and all lessons that add to it rather than show it in another form. */
const everything = (): string[] => {
  const flat = (lesson: string) => names(parse(`k8s/${lesson}.yaml`).map(({ doc }) => doc));
  const application = flat('bookinfo');
  const additions = readdirSync(join(SOURCES, 'lessons')).filter((lesson) =>
    flat(lesson).every((name) => !application.includes(name)),
  );
  return ['app', ...additions.map((name) => `lessons/${name}`)];
};

interface Workload extends Manifest {
  spec: { template: { spec: { securityContext: object; containers: { resources: { limits: object } }[] } } };
}
const pods = (docs: Manifest[]) =>
  docs
    .filter(({ kind }) => kind === 'Deployment' || kind === 'StatefulSet')
    .map((doc) => (doc as Workload).spec.template.spec);

test.skipIf(error)('`kubectl apply -k k8s/` applies what `kubectl apply -f k8s/bookinfo.yaml` does', () => {
  expect(kustomize(join(ROOT, 'k8s'))).toBe(kustomize(join(SOURCES, 'lessons/bookinfo')));
});

test.skipIf(error)('all features and all lessons that add to the application build together', () => {
  const features = readdirSync(join(SOURCES, 'features')).map((name) => `features/${name}`);
  const built = names(build(everything(), features));
  expect(built).toContain('StatefulSet/mysqldb-v1');
  expect(built).toContain('Deployment/ratings-v-faulty');
  expect(built).toContain('NetworkPolicy/mongodb');
  expect(new Set(built).size).toBe(built.length);
});

test.skipIf(error)('with features/cpu-limits every container has a CPU limit beside its others', () => {
  const limits = pods(build(everything(), ['features/cpu-limits'])).flatMap(({ containers }) =>
    containers.map(({ resources }) => resources.limits),
  );
  expect(limits.length).toBeGreaterThan(15);
  for (const limit of limits) expect(limit).toEqual({ cpu: '1', memory: expect.any(String) });
});

test.skipIf(error)('with features/openshift no pod asks for a user or a group', () => {
  const contexts = pods(build(everything(), ['features/openshift'])).map((pod) => pod.securityContext);
  expect(contexts.length).toBeGreaterThan(15);
  for (const context of contexts)
    expect(context).toEqual({ runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } });
});

describe('k8s:generate --registry and --tag', () => {
  /** In a copy of what it reads and writes. */
  const copy = realpathSync(mkdtempSync(join(tmpdir(), 'bookinfo-')));
  for (const path of ['k8s', '.env', 'docker-bake.hcl', 'services/ratings/seed'])
    cpSync(join(ROOT, path), join(copy, path), { recursive: true });
  afterAll(() => rmSync(copy, { recursive: true }));

  const generate = (...args: string[]) =>
    spawnSync(process.execPath, [join(copy, 'k8s/generate.ts'), ...args], { encoding: 'utf8' });
  const env = () => readFileSync(join(copy, '.env'), 'utf8');

  test.for([
    ['--registry', 'Team!'],
    ['--tag', ''],
    ['--registry', 'a', '--check'],
    ['--registy', 'a'],
  ])('%j is answered with the usage, and changes nothing', (args) => {
    const { status, stderr } = generate(...args);
    expect(status).toBe(2);
    expect(stderr).toContain('Usage: npx pnpm@12 k8s:generate');
    expect(env()).toBe(text('.env'));
  });

  test.skipIf(error)('point every flat file, Compose and the build to another registry', () => {
    expect(generate('--registry', 'localhost:5000/team', '--tag', '1.2.3').status).toBe(0);
    const files = readdirSync(join(copy, 'k8s')).filter((name) => name.endsWith('.yaml'));
    const flat = files.map((name) => readFileSync(join(copy, 'k8s', name), 'utf8')).join();
    const images = flat.matchAll(/image: (.*\/(?:productpage|details|reviews|ratings):.*)/g);
    expect([...new Set([...images].map(([, image]) => image))].toSorted()).toEqual(
      ['details', 'productpage', 'ratings', 'reviews'].map((name) => `localhost:5000/team/${name}:1.2.3`),
    );
    expect(env()).toMatch(/^IMAGE_PREFIX=localhost:5000\/team\nIMAGE_TAG=1\.2\.3$/m);
    expect(readFileSync(join(copy, 'docker-bake.hcl'), 'utf8')).toContain('default = "localhost:5000/team"');
  });
});
