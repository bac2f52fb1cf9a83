import { expect } from 'vitest';
import { health, status } from '../../lab/visitor.ts';
import { kubectl, list, run } from './kubectl.ts';
import { ask, lesson, podWithoutSidecar, reaches } from './lesson.ts';

const page = 'productpage:9080/productpage';

lesson('mutual-tls: under STRICT, who has no certificate is refused', async ({ cluster, visitor }) => {
  await using plain = await podWithoutSidecar();
  expect(await plain.curl(page), 'PERMISSIVE').toMatchObject({ code: 0, output: '200' });
  await cluster.apply('istio/security-policy.yaml');
  // curl's 56: the connection is reset.
  await expect.poll(async () => (await plain.curl(page)).code, { message: 'STRICT' }).toBe(56);
  await expect.poll(() => ask('ratings-v1', page), { message: 'from ratings, with a sidecar' }).toMatch(/^200/);
  await reaches('3.1', 'STRICT');
  expect(await visitor.tally(20, status)).toEqual({ 200: 20 });
});

lesson('describe: istioctl says STRICT', async ({ cluster, skip }) => {
  if ((await run('istioctl', ['version', '--remote=false'])).code !== 0) skip('istioctl is not on the PATH');
  await cluster.apply('istio/security-policy.yaml');
  const [pod] = await list('pods', '--selector=app=productpage,version=v1');
  const describe = async () =>
    (await run('istioctl', ['experimental', 'describe', 'pod', pod?.metadata.name ?? ''])).output;
  await expect.poll(describe).toContain('Workload mTLS mode: STRICT');
});

lesson(
  'authorization: allow-all allows everything, least privilege only what the shop needs',
  async ({ cluster, visitor }) => {
    await cluster.apply('istio/security-policy.yaml');
    await expect.poll(() => ask('ratings-v1', 'details:9080/details/0'), { message: 'allow-all' }).toMatch(/^200/);
    await kubectl(['delete', 'authorizationpolicy', 'allow-all']);
    await cluster.apply('istio/authorization-least-privilege.yaml');
    await reaches('3.2', 'least privilege');
    expect(await visitor.tally(30, health)).toEqual({ 200: 30 });
    expect((await visitor.get({ headers: await visitor.signIn('jason') })).body).toContain('jason');
    const remove = async () => (await visitor.get({ method: 'DELETE' })).status;
    await expect.poll(remove, { message: 'DELETE through the gateway' }).toBe(403);
  },
);
