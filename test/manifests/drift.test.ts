/** The generated files of k8s/ are what their sources build, and every optional part builds with the others. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { expect, test } from 'vitest';
import { parseAllDocuments, stringify } from 'yaml';
import { parse, type Resource, ROOT } from './load.ts';

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

/** The names of what a kustomization of these folders of k8s/kustomize builds. */
function build(resources: string[], components: string[]): string[] {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'bookinfo-')));
  const path = (name: string) => relative(folder, join(SOURCES, name));
  try {
    writeFileSync(
      join(folder, 'kustomization.yaml'),
      stringify({ resources: resources.map(path), components: components.map(path) }),
    );
    return parseAllDocuments(kustomize(folder)).map(
      (document) => `${document.get('kind')}/${document.getIn(['metadata', 'name'])}`,
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test.skipIf(error)('`kubectl apply -k k8s/` applies what `kubectl apply -f k8s/bookinfo.yaml` does', () => {
  expect(kustomize(join(ROOT, 'k8s'))).toBe(kustomize(join(SOURCES, 'lessons/bookinfo')));
});

test.skipIf(error)('all features and all lessons that add to the application build together', () => {
  const names = (lesson: string) =>
    parse(`k8s/${lesson}.yaml`).map(({ doc }: Resource) => `${doc.kind}/${doc.metadata.name}`);
  const application = names('bookinfo');
  const additions = readdirSync(join(SOURCES, 'lessons')).filter((lesson) =>
    names(lesson).every((name) => !application.includes(name)),
  );
  const features = readdirSync(join(SOURCES, 'features'));
  const built = build(
    ['app', ...additions.map((name) => `lessons/${name}`)],
    features.map((name) => `features/${name}`),
  );
  expect(built).toContain('StatefulSet/mysqldb-v1');
  expect(built).toContain('Deployment/ratings-v-faulty');
  expect(built).toContain('NetworkPolicy/databases');
  expect(new Set(built).size).toBe(built.length);
});
