/** The generated files of k8s/ are what their sources build, and every optional feature builds with the others. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { expect, test } from 'vitest';
import { parseAllDocuments, stringify } from 'yaml';
import { ROOT } from './load.ts';

const { error } = spawnSync('kubectl', ['version', '--client']);
if (error) console.log('The drift tests are skipped: kubectl, which builds the kustomizations, was not found.');

test.skipIf(error)('the flat files of k8s/ are up to date', () => {
  const { status, stderr } = spawnSync(process.execPath, [join(ROOT, 'k8s/generate.ts'), '--check'], {
    encoding: 'utf8',
  });
  expect(stderr).toBe('');
  expect(status).toBe(0);
});

/** The names of what a kustomization of the default application and these components builds. */
function build(components: string[]): string[] {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'bookinfo-')));
  const path = (name: string) => relative(folder, join(ROOT, 'k8s/kustomize', name));
  try {
    writeFileSync(
      join(folder, 'kustomization.yaml'),
      stringify({ resources: [path('app')], components: components.map((name) => path(`components/${name}`)) }),
    );
    const built = execFileSync('kubectl', ['kustomize', folder], { encoding: 'utf8' });
    return parseAllDocuments(built).map(
      (document) => `${document.get('kind')}/${document.getIn(['metadata', 'name'])}`,
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test.skipIf(error)('`kubectl apply -k k8s/` applies what `kubectl apply -f k8s/bookinfo.yaml` does', () => {
  const flat = execFileSync('kubectl', ['kustomize', join(ROOT, 'k8s/kustomize/lessons/bookinfo')], {
    encoding: 'utf8',
  });
  expect(execFileSync('kubectl', ['kustomize', join(ROOT, 'k8s')], { encoding: 'utf8' })).toBe(flat);
});

test.skipIf(error)('all optional features build together', () => {
  const building = ['database', 'http-port', 'http-server', 'identity', 'images', 'observability', 'productpage'];
  const blocks = new Set([...building, 'ratings-database', 'restricted', 'service', 'workload']);
  const features = readdirSync(join(ROOT, 'k8s/kustomize/components')).filter((name) => !blocks.has(name));
  const names = build(features);
  expect(names).toContain('StatefulSet/mysqldb-v1');
  expect(names).toContain('Deployment/ratings-v-faulty');
  expect(names).toContain('NetworkPolicy/databases');
  expect(new Set(names).size).toBe(names.length);
});
