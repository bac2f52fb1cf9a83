import type { TestProject } from 'vitest/node';
import { whyNot } from './before-and-after.ts';
import { kubectl } from './kubectl.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** Why the tests of the cluster are skipped. */
    obstacle: string | undefined;
    /** URL of the ingress gateway. */
    gateway: string;
  }
}

export default async function setup(project: TestProject): Promise<void> {
  const obstacle = await whyNot();
  project.provide('obstacle', obstacle);
  project.provide('gateway', obstacle ? '' : await findGateway());
}

/** On Docker Desktop the address of the Service is often one that only Docker can reach, so localhost comes first. */
async function findGateway(): Promise<string> {
  const { GATEWAY_URL } = process.env;
  if (GATEWAY_URL) return `http://${GATEWAY_URL.replace(/^http:\/\//, '')}`;
  const address = '{.status.loadBalancer.ingress[0].ip}{.status.loadBalancer.ingress[0].hostname}';
  const service = ['get', 'service', 'istio-ingressgateway', '--namespace=istio-system'];
  const external = await kubectl([...service, `--output=jsonpath=${address}`]);
  const candidates = ['http://localhost', ...(external ? [`http://${external}`] : [])];
  for (const until = Date.now() + 30_000; Date.now() < until; )
    for (const url of candidates) if (await isGateway(url)) return url;
  throw new Error(`No ingress gateway answers at ${candidates.join(' or ')}: set GATEWAY_URL`);
}

async function isGateway(url: string): Promise<boolean> {
  try {
    const answer = await fetch(`${url}/productpage`, { signal: AbortSignal.timeout(5000) });
    await answer.body?.cancel();
    return answer.headers.get('server') === 'istio-envoy';
  } catch {
    return false;
  }
}
