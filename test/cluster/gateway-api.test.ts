import { expect } from 'vitest';
import { exists, kubectl } from './kubectl.ts';
import { lesson } from './lesson.ts';
import { forward, health, reviewsVersion, traceOf, Visitor } from './visitor.ts';

const installed = () => exists('crd', 'httproutes.gateway.networking.k8s.io');

/** A visitor who comes in by the gateway of the Gateway API. */
async function throughGateway(): Promise<AsyncDisposable & { visitor: Visitor }> {
  const gateway = 'gateways.gateway.networking.k8s.io/bookinfo-gateway';
  await kubectl(['wait', '--for=condition=Programmed', gateway, '--timeout=120s']);
  const port = await forward('service/bookinfo-gateway-istio');
  const visitor = new Visitor(port.url);
  await expect.poll(async () => (await visitor.get()).status).toBe(200);
  return { visitor, [Symbol.asyncDispose]: () => port[Symbol.asyncDispose]() };
}

lesson("gateway-api: the same lessons in Kubernetes' own API", async ({ cluster, skip }) => {
  if (!(await installed())) skip('the Gateway API is not installed');
  await cluster.deploy('k8s/bookinfo-versions.yaml');
  await cluster.apply('istio/gateway-api/bookinfo-gateway.yaml');
  await using way = await throughGateway();
  const { visitor } = way;
  const jason = await visitor.signIn('jason');

  await cluster.apply('istio/gateway-api/route-all-v1.yaml');
  await visitor.seesOnly('v1', reviewsVersion);
  for (const [file, expected, fresh] of [
    ['90-10', { v1: 0.9, v2: 0.1 }, 'v2'],
    ['80-20', { v1: 0.8, v2: 0.2 }, 'v2'],
    ['50-v3', { v1: 0.5, v3: 0.5 }, 'v3'],
  ] as const) {
    await cluster.apply('istio/gateway-api/route-reviews-v1.yaml');
    await visitor.seesOnly('v1', reviewsVersion);
    await cluster.apply(`istio/gateway-api/route-reviews-${file}.yaml`);
    await visitor.seesShares(expected, reviewsVersion, fresh);
  }
  await cluster.apply('istio/gateway-api/route-reviews-jason-v2-v3.yaml');
  await visitor.seesOnly('v3', reviewsVersion);
  await visitor.seesOnly('v2', reviewsVersion, jason);
  await cluster.apply('istio/gateway-api/route-reviews-mirror.yaml');
  await visitor.seesOnly('v1', reviewsVersion);
  const trace = traceOf(await visitor.get());
  expect(trace, 'the trace on the page').not.toBe('');
  const log = () => kubectl(['logs', 'deployment/reviews-v3', '--container=reviews', '--since=2m']);
  await expect.poll(log, { message: 'v3 gets a copy', timeout: 20_000 }).toContain(trace);
});

lesson('gateway-api: least privilege lets visitors in by this gateway, too', async ({ cluster, skip }) => {
  if (!(await installed())) skip('the Gateway API is not installed');
  await cluster.apply('istio/gateway-api/bookinfo-gateway.yaml');
  await using way = await throughGateway();
  const { visitor } = way;
  await cluster.apply('istio/authorization-least-privilege.yaml');
  const remove = async () => (await visitor.get('/productpage', {}, 'DELETE')).status;
  await expect.poll(remove, { message: 'DELETE, which productpage may not be asked' }).toBe(403);
  await expect.poll(async () => health(await visitor.get())).toBe('200');
  expect(await visitor.tally(20, health)).toEqual({ 200: 20 });
});
