/** The address at which the ingress gateway answers from this machine. */
import { Type } from 'typebox';
import { type Cluster, listOf } from './kubectl.ts';
import { Obstacle } from './obstacle.ts';

export interface Gateway {
  /** Without a path, such as `http://localhost:8080`. */
  url: string;
  /** What it answers to `GET /productpage`: 404 where no rule routes it, 503 where nobody is behind the route. */
  status: number;
}

/** The second is where the guide forwards a port to. */
const ON_THIS_MACHINE = ['http://localhost', 'http://localhost:8080'];
const TIMEOUT_MS = 5000;
/** For a second try, when it should answer: the machine may be busy. */
const PATIENT_MS = 20_000;

/**
 * Where GATEWAY_URL says; else the first that answers of localhost, the addresses of the gateway's Service and those of
 * the nodes. localhost comes first: on Docker Desktop the others can be of a network that only Docker reaches.
 * @throws {Obstacle} when none answers
 */
export async function findGateway(cluster: Cluster): Promise<Gateway> {
  // As in the guide: without a path, and commonly without `http://`.
  const { GATEWAY_URL } = process.env;
  if (GATEWAY_URL) {
    const url = `http://${GATEWAY_URL.replace(/^http:\/\//, '').replace(/\/.*/, '')}`;
    const any = () => true;
    const gateway = (await firstOf([url], any, TIMEOUT_MS)) ?? (await firstOf([url], any, PATIENT_MS));
    if (gateway) return gateway;
    throw new Obstacle(`Nothing answers at ${url}, where GATEWAY_URL points to`, 'unset GATEWAY_URL, then again');
  }
  const urls = [...new Set([...ON_THIS_MACHINE, ...(await addresses(cluster))])];
  const isEnvoy = ({ headers }: Response) => headers.get('server') === 'istio-envoy';
  const gateway = await firstOf(urls, isEnvoy, TIMEOUT_MS);
  if (gateway) return gateway;
  if (!(await cluster.has('gateways.networking.istio.io', 'bookinfo-gateway')))
    throw new Obstacle('The gateway is not open', 'kubectl apply -f istio/bookinfo-gateway.yaml');
  const slow = await firstOf(urls, isEnvoy, PATIENT_MS);
  if (slow) return slow;
  throw new Obstacle(
    `No ingress gateway answers at ${urls.join(', ')}`,
    'kubectl port-forward -n istio-system svc/istio-ingressgateway 8080:80',
  );
}

/** All are asked at once; of those that answer rightly the first in this order counts. */
async function firstOf(
  urls: string[],
  isGateway: (answer: Response) => boolean,
  timeout: number,
): Promise<Gateway | undefined> {
  const found = new AbortController();
  const signal = AbortSignal.any([found.signal, AbortSignal.timeout(timeout)]);
  const answers = urls.map((url) => ask(url, signal));
  try {
    for (const [i, url] of urls.entries()) {
      const answer = await answers[i];
      if (answer && isGateway(answer)) return { url, status: answer.status };
    }
    return undefined;
  } finally {
    found.abort();
  }
}

async function ask(url: string, signal: AbortSignal): Promise<Response | undefined> {
  try {
    const answer = await fetch(`${url}/productpage`, { signal, redirect: 'manual' });
    await answer.body?.cancel();
    return answer;
  } catch {
    return undefined;
  }
}

const Services = listOf(
  Type.Object({
    spec: Type.Object({
      ports: Type.Array(Type.Object({ port: Type.Integer(), nodePort: Type.Optional(Type.Integer()) })),
    }),
    status: Type.Object({
      loadBalancer: Type.Object({
        ingress: Type.Optional(
          Type.Array(Type.Object({ ip: Type.Optional(Type.String()), hostname: Type.Optional(Type.String()) })),
        ),
      }),
    }),
  }),
);
const Nodes = listOf(
  Type.Object({
    status: Type.Object({ addresses: Type.Array(Type.Object({ type: Type.String(), address: Type.String() })) }),
  }),
);

/** Those of the gateway that Istio installs, and of the one that a Gateway of the Gateway API makes. */
async function addresses(cluster: Cluster): Promise<string[]> {
  const services = await Promise.all([
    cluster.get(Services, 'services', '--namespace=istio-system', '--selector=istio=ingressgateway'),
    cluster.get(Services, 'services', '--selector=gateway.networking.k8s.io/gateway-name=bookinfo-gateway'),
  ]);
  const nodes = (await cluster.get(Nodes, 'nodes')).items.flatMap(({ status }) =>
    status.addresses.filter(({ type }) => type === 'InternalIP').map(({ address }) => address),
  );
  return services
    .flatMap(({ items }) => items)
    .flatMap(({ spec, status }) => {
      const external = (status.loadBalancer.ingress ?? []).flatMap(({ hostname, ip }) => hostname ?? ip ?? []);
      const { nodePort } = spec.ports.find(({ port }) => port === 80) ?? {};
      return [
        ...external.map((host) => httpUrl(host)),
        ...(nodePort ? nodes.map((host) => httpUrl(host, nodePort)) : []),
      ];
    });
}

const httpUrl = (host: string, port = 80): string =>
  new URL(`http://${host.includes(':') ? `[${host}]` : host}:${port}`).origin;
