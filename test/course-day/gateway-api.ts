import { apply, deploy, exists, kubectl } from './cluster.ts';
import { lesson } from './lesson.ts';
import { all, get, reviewsVersion, shares, signIn, throughForward, traceOf } from './pages.ts';
import { check, eventually, Skip } from './results.ts';

export const gatewayApi = [
  lesson('gateway-api', "The same lessons in Kubernetes' own API", async () => {
    if (!(await exists('crd', 'httproutes.gateway.networking.k8s.io')))
      throw new Skip('the Gateway API is not installed');
    await deploy('k8s/bookinfo-versions.yaml');
    await apply('istio/gateway-api/bookinfo-gateway.yaml');
    await kubectl([
      'wait',
      '--for=condition=Programmed',
      'gateways.gateway.networking.k8s.io/bookinfo-gateway',
      '--timeout=120s',
    ]);
    await throughForward('service/bookinfo-gateway-istio', async () => {
      const jason = await eventually(
        () => signIn('jason').catch(() => undefined),
        (cookie) => cookie !== undefined,
      );
      await apply('istio/gateway-api/route-all-v1.yaml');
      await all(reviewsVersion, 'v1');
      for (const file of ['90-10', '80-20', '50-v3']) {
        const fresh = file === '50-v3' ? 'v3' : 'v2';
        const share = Number(file.split('-')[0]) / 100;
        await apply('istio/gateway-api/route-reviews-v1.yaml');
        await all(reviewsVersion, 'v1');
        await apply(`istio/gateway-api/route-reviews-${file}.yaml`);
        await shares(reviewsVersion, { v1: share, [fresh]: 1 - share }, fresh);
      }
      await apply('istio/gateway-api/route-reviews-jason-v2-v3.yaml');
      await all(reviewsVersion, 'v3');
      await all(reviewsVersion, 'v2', jason);
      await apply('istio/gateway-api/route-reviews-mirror.yaml');
      await all(reviewsVersion, 'v1');
      const trace = traceOf(await get());
      const log = () => kubectl(['logs', 'deployment/reviews-v3', '--container=reviews', '--since=2m']);
      check((await eventually(log, (lines) => lines.includes(trace), 20)).includes(trace), 'v3 gets a copy');
    });
  }),
];
