/** `npx pnpm@12 lab rehearse` before it begins: what it does then is the course day itself. */
import { execa } from 'execa';
import { expect, test } from 'vitest';
import { ROOT } from '../../manifests/load.ts';
import { cluster, fakeCluster } from './fake-cluster.ts';

const rehearse = (env: Record<string, string>, ...args: string[]) =>
  execa('test/lab', args, { cwd: ROOT, reject: false, input: '', env: { ...env, NO_COLOR: '1' } });

test('names the routing that it would put aside, and changes nothing where nobody can be asked', async () => {
  const objects = cluster('istio/bookinfo-gateway.yaml', 'istio/canary-reviews.yaml');
  await using fake = await fakeCluster({ objects, answers: {} }, () => ({ version: 'v1' }));
  // The stub knows nothing that changes a cluster: it would fail otherwise.
  const { stdout, stderr, exitCode } = await rehearse(fake.env, 'install');
  expect(stdout).toContain('Put aside meanwhile, and put back in the end, in context stub:');
  for (const name of ['Gateway/bookinfo-gateway', 'VirtualService/bookinfo', 'VirtualService/reviews'])
    expect(stdout).toContain(`  ${name}`);
  expect(stderr).toContain('error: there is nobody to ask: say --yes');
  expect(exitCode).toBe(2);
});

test('answers a lesson that is none with those that there are', async () => {
  const { stderr, exitCode } = await rehearse({ KUBECONFIG: '/nowhere' }, 'nothing');
  expect(stderr).toMatch(/The lessons are .*canary-reviews .*mutual-tls/);
  expect(exitCode).toBe(2);
});

test('says in one line that there is no cluster', async () => {
  const { stderr, exitCode } = await rehearse({ KUBECONFIG: '/nowhere' }, 'install');
  expect(stderr).toContain('kubectl points to no cluster. Next: ');
  expect(exitCode).toBe(1);
});
