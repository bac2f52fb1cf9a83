import { apply, exists, kubectl, list, run } from './cluster.ts';
import { lesson } from './lesson.ts';
import { health, tally } from './pages.ts';
import { check, eventually, record, Skip } from './results.ts';

export const metrics = [
  lesson('metrics', 'The sidecar hands out its metrics and those of the service together', async () => {
    const merged = [
      'exec',
      'deployment/ratings-v1',
      '--container=ratings',
      '--',
      'curl',
      '-sS',
      'localhost:15020/stats/prometheus',
    ];
    const metrics = await kubectl(merged);
    check(
      metrics.includes('http_server_request_duration_seconds_bucket'),
      'the service: http_server_request_duration_seconds',
    );
    check(/^(istio|envoy)_/m.test(metrics), 'the proxy: istio_… or envoy_…');
    const [pod] = await list('pods', '--selector=app=ratings,version=v1');
    check(
      pod?.metadata.annotations?.['prometheus.io/port'] === '15020',
      'the annotation sends Prometheus to port 15020',
    );
  }),

  lesson('prometheus', 'Prometheus has the metrics of every version, under STRICT too', async () => {
    if (!(await exists('service/prometheus', '--namespace=istio-system')))
      throw new Skip('Prometheus is not installed');
    await apply('istio/security-policy.yaml');
    await tally(30, health);
    const api = '/api/v1/namespaces/istio-system/services/prometheus:9090/proxy/api/v1/query?query=';
    const query = async (promql: string) => {
      const { output } = await run('kubectl', ['get', '--raw', api + encodeURIComponent(promql)]);
      const { data } = JSON.parse(output) as { data: { result: { metric: Record<string, string> }[] } };
      return data.result.map(({ metric }) => `${metric.app} ${metric.version}`).sort();
    };
    const wanted = ['details v1', 'productpage v1', 'ratings v1', 'reviews v1', 'reviews v2', 'reviews v3'].join();
    const served =
      'count by (app, version) (rate(http_server_request_duration_seconds_count{namespace="default"}[1m]) > 0)';
    const seen = await eventually(
      async () => {
        await tally(10, health);
        return (await query(served)).join();
      },
      (apps) => apps === wanted,
      90,
    );
    check(seen === wanted, `requests served by ${seen}`);
    const proxies = await query('count by (app, version) (istio_requests_total{namespace="default"})');
    if (proxies.length > 0) check(proxies.join() === wanted, `istio_requests_total of ${proxies.join()}`);
    else record('skipped', 'these proxies do not count istio_requests_total, which only those built by Istio do');
  }),
];
