import { expect } from 'vitest';
import { health } from '../../lab/visitor.ts';
import { exists, kubectl, list } from './kubectl.ts';
import { lesson } from './lesson.ts';

lesson('metrics: the sidecar hands out its metrics and those of the service together', async () => {
  const ratings = ['exec', 'deployment/ratings-v1', '--container=ratings', '--'];
  const merged = await kubectl([...ratings, 'curl', '-sS', 'localhost:15020/stats/prometheus']);
  expect(merged, 'of the service').toContain('http_server_request_duration_seconds_bucket');
  expect(merged, 'of the proxy').toMatch(/^(istio|envoy)_/m);
  const [pod] = await list('pods', '--selector=app=ratings,version=v1');
  expect(pod?.metadata.annotations).toMatchObject({ 'prometheus.io/port': '15020' });
});

const VERSIONS = ['details v1', 'productpage v1', 'ratings v1', 'reviews v1', 'reviews v2', 'reviews v3'];

/** The `app version` of each series in a query's result. */
async function query(promql: string): Promise<string[]> {
  const api = '/api/v1/namespaces/istio-system/services/prometheus:9090/proxy/api/v1/query?query=';
  const output = await kubectl(['get', '--raw', api + encodeURIComponent(promql)]);
  const { data } = JSON.parse(output) as { data: { result: { metric: Record<string, string> }[] } };
  return data.result.map(({ metric }) => `${metric.app} ${metric.version}`).sort();
}

lesson('prometheus: it has the metrics of every version, under STRICT too', async ({ cluster, visitor, skip }) => {
  if (!(await exists('service/prometheus', '--namespace=istio-system'))) skip('Prometheus is not installed');
  await cluster.apply('istio/security-policy.yaml');
  const served =
    'count by (app, version) (rate(http_server_request_duration_seconds_count{namespace="default"}[1m]) > 0)';
  const askAgain = async () => {
    await visitor.tally(30, health);
    return query(served);
  };
  await expect.poll(askAgain, { timeout: 90_000 }).toEqual(VERSIONS);
});

lesson('proxy-metrics: istio_requests_total counts the requests of every version', async ({ visitor, skip }) => {
  if (!(await exists('service/prometheus', '--namespace=istio-system'))) skip('Prometheus is not installed');
  const sidecar = ['exec', 'deployment/productpage-v1', '--container=istio-proxy', '--'];
  await visitor.tally(30, health);
  const stats = await kubectl([...sidecar, 'pilot-agent', 'request', 'GET', 'stats/prometheus']);
  if (!stats.includes('istio_requests_total')) skip('only proxies built by Istio count istio_requests_total');
  const counted = () => query('count by (app, version) (istio_requests_total{namespace="default"})');
  await expect.poll(counted, { timeout: 90_000 }).toEqual(VERSIONS);
});
