import { expect, vi } from 'vitest';
import { page } from '../../lab/checks.ts';
import { connect, listOf } from '../../lab/kubectl.ts';
import { isReady, Pod } from '../../lab/pods.ts';
import { health, Visitor } from '../../lab/visitor.ts';
import { forward } from './forward.ts';
import { exists, kubectl } from './kubectl.ts';
import { lesson, reaches, sees } from './lesson.ts';

const installed = () => exists('crd', 'httproutes.gateway.networking.k8s.io');

/** Its pod that serves, and not the one of the lesson before, which may still be ending. */
async function gatewayPod(): Promise<string | undefined> {
  const selector = '--selector=gateway.networking.k8s.io/gateway-name=bookinfo-gateway';
  const { items } = await (await connect()).get(listOf(Pod), 'pods', selector);
  return items.find((it) => it.metadata.deletionTimestamp === undefined && isReady(it))?.metadata.name;
}

/** The way in is the gateway of the Gateway API, for checks as well. */
async function throughGateway(): Promise<AsyncDisposable & { visitor: Visitor }> {
  const gateway = 'gateways.gateway.networking.k8s.io/bookinfo-gateway';
  await kubectl(['wait', '--for=condition=Programmed', gateway, '--timeout=120s']);
  await expect.poll(gatewayPod, { message: 'a pod of the gateway' }).toBeTruthy();
  const port = await forward(`pod/${await gatewayPod()}`);
  vi.stubEnv('GATEWAY_URL', port.url);
  const visitor = new Visitor(port.url);
  await expect.poll(async () => (await visitor.get()).status).toBe(200);
  return {
    visitor,
    async [Symbol.asyncDispose]() {
      vi.unstubAllEnvs();
      await port[Symbol.asyncDispose]();
    },
  };
}

lesson("gateway-api: the same lessons in Kubernetes' own API", async ({ cluster, skip }) => {
  if (!(await installed())) skip('the Gateway API is not installed');
  await cluster.deploy('k8s/bookinfo-versions.yaml');
  await cluster.apply('istio/gateway-api/bookinfo-gateway.yaml');
  await using _ = await throughGateway();

  await cluster.apply('istio/gateway-api/route-all-v1.yaml');
  await reaches('2.1', 'version 1');
  for (const [file, shares] of [
    ['90-10', { 'v1, no stars': 0.9, 'v2, black stars': 0.1 }],
    ['80-20', { 'v1, no stars': 0.8, 'v2, black stars': 0.2 }],
    ['50-v3', { 'v1, no stars': 0.5, 'v3, red stars': 0.5 }],
  ] as const) {
    await cluster.apply(`istio/gateway-api/route-reviews-${file}.yaml`);
    await sees(page({}, shares));
  }
  await cluster.apply('istio/gateway-api/route-reviews-jason-v2-v3.yaml');
  await sees(page({}, { 'v3, red stars': 1 }), page({ user: 'jason' }, { 'v2, black stars': 1 }));
  await cluster.apply('istio/gateway-api/route-reviews-mirror.yaml');
  await reaches('2.5', 'mirroring');
});

lesson('gateway-api: least privilege lets visitors in by this gateway, too', async ({ cluster, skip }) => {
  if (!(await installed())) skip('the Gateway API is not installed');
  await cluster.apply('istio/gateway-api/bookinfo-gateway.yaml');
  await using way = await throughGateway();
  const { visitor } = way;
  await cluster.apply('istio/authorization-least-privilege.yaml');
  const remove = async () => (await visitor.get({ method: 'DELETE' })).status;
  await expect.poll(remove, { message: 'DELETE, which productpage may not be asked' }).toBe(403);
  await expect.poll(async () => health(await visitor.get())).toBe('200');
  expect(await visitor.tally(20, health)).toEqual({ 200: 20 });
});
