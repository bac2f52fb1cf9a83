import { expect } from 'vitest';
import { health, status } from '../../lab/visitor.ts';
import { kubectl, run } from './kubectl.ts';
import { ask, lesson, reaches } from './lesson.ts';

lesson('production: a namespace of its own, STRICT and guarded', async ({ cluster, visitor }) => {
  await cluster.apply('k8s/production.yaml', 'istio/production');
  await cluster.deploy('k8s/production.yaml', 'production');
  await reaches('3.3', 'guarded');
  const headers = { host: 'bookinfo.production' };
  const form = { username: 'jason', passwd: 'password' };
  expect(status(await visitor.get({ path: '/login', headers, form })), 'signing in is allowed').toBe('302');
  expect(status(await visitor.get({ headers, form })), 'any other POST is not').toBe('403');
});

lesson('pod-security: all pods pass Pod Security `restricted`', async () => {
  const namespace = 'bookinfo-restricted';
  const labels = { 'pod-security.kubernetes.io/enforce': 'restricted' };
  const manifest = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace, labels } };
  await kubectl(['apply', '--filename=-'], JSON.stringify(manifest));
  try {
    await kubectl(['apply', '--filename=k8s/bookinfo-psa.yaml', `--namespace=${namespace}`]);
    const wait = ['--for=condition=Available', 'deployment', '--all', `--namespace=${namespace}`, '--timeout=180s'];
    await kubectl(['wait', ...wait]);
    const page = () => ask('ratings-v1', 'productpage:9080/productpage', 'GET', namespace);
    await expect.poll(page).toMatch(/^200/);
  } finally {
    await kubectl(['delete', 'namespace', namespace, '--wait=false']);
  }
});

lesson('pod-security-sidecars: pods with sidecars pass Pod Security `restricted`', async ({ skip }) => {
  const label = 'kubectl label namespace default --overwrite --dry-run=server';
  const { output } = await run('sh', ['-c', `${label} pod-security.kubernetes.io/enforce=restricted 2>&1`]);
  if (output.includes('istio-init')) skip('istio-init needs NET_ADMIN; install Istio with its CNI plugin');
  expect(output).not.toMatch(/existing pods|violate/);
});

lesson('network-policy: the same paths, closed on the level of IP addresses', async ({ cluster, visitor, skip }) => {
  const details = () => ask('ratings-v1', 'details:9080/details/0');
  expect(await details(), 'before').toMatch(/^200/);
  await cluster.apply('k8s/network-policy.yaml');
  let answer = '';
  for (const until = Date.now() + 20_000; Date.now() < until; ) {
    answer = await details();
    if (!answer.startsWith('200')) break;
  }
  expect(await visitor.tally(20, health)).toEqual({ 200: 20 });
  if (answer.startsWith('200')) skip("the cluster's network does not enforce network policies");
});
