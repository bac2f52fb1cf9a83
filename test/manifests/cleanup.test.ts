/** k8s/cleanup.sh, with a kubectl that only writes down how it was called. */
import { join } from 'node:path';
import { execa } from 'execa';
import { expect, test } from 'vitest';
import { StubPrograms } from '../support/stub-programs.ts';
import { ROOT } from './load.ts';

test('removes every kind of routing and policy that the cluster knows, and leaves other namespaces alone', async () => {
  const kinds = ['authorizationpolicies.security.istio.io', 'virtualservices.networking.istio.io'];
  await using stubs = await StubPrograms.create({
    kubectl: {
      'get namespace shop': '',
      'api-resources *': `${['pods', ...kinds].join('\n')}\n`,
      'delete *': '',
      'wait *': '',
    },
  });
  const { stdout } = await execa(join(ROOT, 'k8s/cleanup.sh'), {
    env: { PATH: `${stubs.folder}:${process.env.PATH}`, NAMESPACE: 'shop' },
  });
  expect(stdout).toContain('Bookinfo is gone from the namespace shop');
  const deleted = (await stubs.calls()).filter((call) => call.startsWith('kubectl delete'));
  expect(deleted[0]).toBe(`kubectl delete ${kinds.join()} --all --namespace shop`);
  expect(deleted.some((call) => call.includes('/k8s/bookinfo.yaml '))).toBe(true);
  for (const call of deleted) expect(call).toContain('--namespace shop');
});
