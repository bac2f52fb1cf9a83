/** `npx pnpm@12 lab explain`, as it is typed, where there is no cluster. */
import { execa } from 'execa';
import { describe, expect, test } from 'vitest';
import { ROOT } from '../../manifests/load.ts';

const run = (...args: string[]) =>
  execa('node', ['lab/main.ts', ...args], { cwd: ROOT, reject: false, env: { KUBECONFIG: '/nowhere' } });
const PAGE = 'http://localhost/productpage';
const CANARY = ['bookinfo-gateway', 'destination-rule-all', 'canary-reviews'].flatMap((it) => [
  '-f',
  `istio/${it}.yaml`,
]);

describe('npx pnpm@12 lab explain', () => {
  test('says the way of a request and what comes back', async () => {
    const { stdout, exitCode } = await run('explain', 'GET', PAGE, ...CANARY);
    expect(exitCode).toBe(0);
    expect(stdout).toContain('not rule 1 of VirtualService default/reviews: header end-user is missing, not "jason"');
    expect(stdout).toContain('80 %  200 from productpage-v1: Book Details, Reviews served by: reviews-v1, no stars');
  });

  test('--json gives the same to programs, --user and -H are part of the request', async () => {
    const { stdout } = await run('explain', 'GET', PAGE, ...CANARY, '--json', '--user', 'jason', '-H', 'X-Test: yes');
    const { request, outcomes } = JSON.parse(stdout) as { request: object; outcomes: object[] };
    expect(request).toMatchObject({ user: 'jason', headers: { 'x-test': 'yes' } });
    expect(outcomes).toMatchObject([{ probability: 1, status: 200 }]);
  });

  test('--why-not says what would have to differ', async () => {
    const { stdout } = await run('explain', 'GET', PAGE, ...CANARY, '--why-not', '404');
    expect(stdout).toBe('Nothing on the way of this request leads to 404: no rule there routes to it or answers so.');
  });

  test('without a cluster and without files it says that it knows the shop alone', async () => {
    const { stdout, stderr } = await run('explain', '--from', 'productpage-v1', 'GET', 'http://reviews:9080/reviews/0');
    expect(stderr).toBe('kubectl points to no cluster: this is about k8s/bookinfo.yaml alone.');
    expect(stdout).toContain('no route for reviews: all its pods share the requests');
  });

  test('a context that is named and not there is no reason to answer about something else', async () => {
    const { stdout, stderr, exitCode } = await run('explain', '--context', 'nowhere', 'GET', PAGE);
    expect([stdout, exitCode]).toEqual(['', 1]);
    expect(stderr).toContain('There is no context nowhere. Next: kubectl config get-contexts');
  });

  test('a folder is all the manifests in it', async () => {
    const { stdout } = await run(
      'explain',
      'GET',
      PAGE,
      '-f',
      'exercises/debug-2-mesh/solution/challenge',
      '--user',
      'chaos',
    );
    expect(stdout).toContain('reviews-v3, Ratings service is currently unavailable');
  });

  test('what it does not know, it names, and exits with 1', async () => {
    const { stderr, exitCode } = await run('explain', 'GET', PAGE, '-f', 'istio/ambient/reviews-waypoint.yaml');
    expect(exitCode).toBe(1);
    expect(stderr).toContain('Gateway default/reviews-waypoint: spec.gatewayClassName');
  });

  test('what is no manifest is refused, too', async () => {
    const { stderr, exitCode } = await run('explain', 'GET', PAGE, '-f', 'package.json');
    expect(exitCode).toBe(1);
    expect(stderr).toContain('no object of Kubernetes, which has apiVersion, kind and metadata: {"name":"bookinfo"');
    expect(stderr).not.toContain('    at ');
  });

  test.for<[args: string[], message: string]>([
    [[], "missing required argument 'method'"],
    [['get', PAGE], 'The first word is a method, such as GET.'],
    [['GET', 'productpage'], 'The second word is a URL'],
    [['GET', PAGE, 'more'], "too many arguments for 'explain'"],
    [['GET', PAGE, '-H', 'nothing'], "'nothing' is invalid. A header is"],
    [['GET', PAGE, '-f', 'nowhere.yaml'], 'There is no file nowhere.yaml.'],
    [['GET', PAGE, '--fro', 'x'], '(Did you mean --from?)'],
    [['GET', PAGE, '-f', 'k8s/bookinfo.yaml', '--from', 'nobody'], 'no workload is called nobody'],
  ])('%j is answered with what is wrong, and exit 2', async ([args, message]) => {
    const { stderr, exitCode } = await run('explain', ...args);
    expect(exitCode).toBe(2);
    expect(stderr).toContain(message);
    expect(stderr).toContain('Usage: npx pnpm@12 lab explain');
    expect(stderr).not.toContain('    at ');
  });
});
