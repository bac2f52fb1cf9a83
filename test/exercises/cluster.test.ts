/** What a check with `--cluster` needs without a cluster: files that deploy, and a report that leaves no question out. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { execa } from 'execa';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { type ClusterAccess, defineExercise, Unasked } from '../../exercises/check/exercise.ts';
import { layersOf, layOver } from '../../exercises/check/layers.ts';
import { check, render } from '../../exercises/check/report.ts';
import { copyRepository } from './copy.ts';

const nobody = () => Promise.reject(new Error('nobody asks this'));
const cluster: ClusterAccess = { gateway: nobody, kubectl: nobody, apply: nobody, trace: nobody };

test('a question that a cluster is not asked is named with the reason, and has not failed', async () => {
  const open = async () => ({ async [Symbol.asyncDispose]() {} });
  const exercise = defineExercise({
    title: { en: '', ko: '' },
    day: 1,
    minutes: 1,
    open,
    openInCluster: open,
    questions: [
      { name: 'One', ask: async () => {} },
      { name: 'Two', offline: 'it has no links', ask: nobody },
      { name: 'Three', ask: () => Promise.reject(new Unasked('there is no Jaeger')) },
      { name: 'Four', ask: async () => {} },
    ],
    refused: { wrong: {} },
  });
  const report = await check('00-none', exercise, join('/', 'nowhere'), {
    signal: AbortSignal.timeout(10_000),
    cluster,
  });
  expect(report.passed).toBe(true);
  expect(report.questions.map(({ passed, skipped }) => skipped ?? passed)).toEqual([
    true,
    'it has no links',
    'there is no Jaeger',
    true,
  ]);
  const told = stripVTControlCharacters(render(report, 4));
  expect(told).toMatch(/^– Two\n +not asked +it has no links$/m);
  expect(told).toMatch(/^00-none: solved, as far as it was asked: 2 of 4 not here$/m);
});

test('the services that an exercise brings are deployed as the others, with a place for their state', async () => {
  const copy = await copyRepository();
  try {
    const tree = await layOver(copy, 'main', await layersOf('02-saga', 'start'));
    const read = async (file: string) => (await execa('git', ['show', `${tree}:${file}`], { cwd: copy })).stdout;
    const app = parse(await read('k8s/kustomize/app/kustomization.yaml'));
    const bake = await read('docker-bake.hcl');
    for (const service of ['orders', 'stock', 'payments']) {
      expect(app.resources).toContain(service);
      expect(bake).toContain(`"${service}"`);
      const { spec } = parse(await read(`k8s/kustomize/app/${service}/v1/deployment.yaml`));
      const [container] = spec.template.spec.containers;
      expect(container.env).toContainEqual({ name: 'DATABASE_FILE', value: `/state/${service}.db` });
      expect(container.volumeMounts).toEqual([{ name: 'state', mountPath: '/state' }]);
      expect(spec.template.spec.volumes).toEqual([{ name: 'state', emptyDir: {} }]);
    }
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
});
