/**
 * Grafana reads its dashboards from a ConfigMap; people edit and compare them as JSON files.
 * This writes the ConfigMap, the last document of grafana.yaml, anew from dashboards/*.json:
 *
 *   npx pnpm@12 exec node istio/addons/generate.ts
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';

const FOLDER = join(import.meta.dirname, 'dashboards');
const TARGET = join(import.meta.dirname, 'grafana.yaml');
const MARK = '---\n# Generated from dashboards/*.json by generate.ts: edit those, not this.\n';

/** What grafana.yaml should contain, given what it contains now. */
export function grafanaYaml(current: string = readFileSync(TARGET, 'utf8')): string {
  const written = current.split(MARK)[0] ?? '';
  const dashboards = readdirSync(FOLDER)
    .filter((file) => file.endsWith('.json'))
    .sort()
    .map((file) => [file, readFileSync(join(FOLDER, file), 'utf8')]);
  const configMap = {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'grafana-dashboards', namespace: 'istio-system', labels: { app: 'grafana' } },
    data: Object.fromEntries(dashboards),
  };
  return written + MARK + stringify(configMap, { lineWidth: 0 });
}

if (import.meta.main) writeFileSync(TARGET, grafanaYaml());
