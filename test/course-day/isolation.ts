import { apply, deploy, kubectl, run } from './cluster.ts';
import { lesson } from './lesson.ts';
import { answers, ask, health, print, tally, withoutSidecar } from './pages.ts';
import { check, eventually, record, Skip } from './results.ts';
import { session } from './session.ts';

export const isolation = [
  lesson('production', 'A namespace of its own, STRICT and guarded', async () => {
    await apply('k8s/production.yaml', 'istio/production');
    await deploy('k8s/production.yaml', 'production');
    const host = { host: 'bookinfo.production' };
    await withoutSidecar(async (curl) => {
      const refused = await curl('productpage.production:9080/productpage');
      check(refused.code === 56, `without a sidecar: curl exits with ${refused.code}`);
    });
    await answers('403 RBAC', 'from ratings in default', () =>
      ask('ratings-v1', 'productpage.production:9080/productpage'),
    );
    const curl = (...args: string[]) => run('curl', ['-s', '-m', '30', '-H', `Host: ${host.host}`, ...args]);
    const page = await eventually(
      () => curl(`${session.gateway}/productpage`),
      ({ output }) => output.includes('Book Reviews'),
    );
    check(page.output.includes('<title>Simple Bookstore App</title>'), 'the page, for the host bookinfo.production');
    const code = ['-o', '/dev/null', '-w', '%{http_code}', '--data', 'username=jason&passwd=password'];
    check((await curl(...code, `${session.gateway}/login`)).output === '302', 'signing in is allowed');
    check((await curl(...code, `${session.gateway}/productpage`)).output === '403', 'any other POST is not');
  }),

  lesson('pod-security', 'Pods that pass Pod Security `restricted`', async () => {
    const namespace = 'bookinfo-restricted';
    const labels = { 'pod-security.kubernetes.io/enforce': 'restricted' };
    await kubectl(
      ['apply', '--filename=-'],
      JSON.stringify({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace, labels } }),
    );
    try {
      await kubectl(['apply', '--filename=k8s/bookinfo-psa.yaml', `--namespace=${namespace}`]);
      const wait = ['--for=condition=Available', 'deployment', '--all', `--namespace=${namespace}`, '--timeout=180s'];
      check((await run('kubectl', ['wait', ...wait])).code === 0, 'all of them start, without sidecars');
      await answers('200', 'the page', () => ask('ratings-v1', 'productpage:9080/productpage', 'GET', namespace));
    } finally {
      await kubectl(['delete', 'namespace', namespace, '--wait=false']);
    }
    const label = ['label', 'namespace', 'default', '--overwrite', '--dry-run=server'];
    const { output } = await run('sh', [
      '-c',
      `kubectl ${label.join(' ')} pod-security.kubernetes.io/enforce=restricted 2>&1`,
    ]);
    const rejected = output.match(/existing pods|violate|istio-init|istio-proxy/);
    record(
      rejected ? 'skipped' : 'passed',
      `with sidecars: ${rejected ? 'istio-init needs NET_ADMIN; install Istio with its CNI plugin' : 'accepted'}`,
    );
  }),

  lesson('network-policy', 'The same paths, closed on the level of IP addresses', async () => {
    check((await ask('ratings-v1', 'details:9080/details/0')).startsWith('200'), 'before: ratings may ask details');
    await apply('k8s/network-policy.yaml');
    const refused = await eventually(
      () => ask('ratings-v1', 'details:9080/details/0'),
      (text) => !text.startsWith('200'),
      20,
    );
    const outcomes = await tally(20, health);
    check(print(outcomes) === '200 × 20', `the page: ${print(outcomes)}`);
    if (refused.startsWith('200')) throw new Skip("the cluster's network does not enforce network policies");
    check(true, `ratings asks details: ${refused}`);
  }),
];
