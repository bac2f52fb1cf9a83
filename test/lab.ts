/**
 * Goes through the course day of docs/lab.md on the cluster that kubectl points to, and checks what a student is told
 * to see. Works in the namespace `default`, with the Bookinfo that runs there or, without one, with its own. In the end
 * the namespace has the routing and the workloads that it had before.
 */
import { execFile, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs, promisify } from 'node:util';
import { type Manifest, ROOT } from './manifests/load.ts';

// --- results

const counts = { passed: 0, failed: 0, skipped: 0 };

/** Thrown by a lesson that this cluster cannot show. */
class Skip extends Error {}

function record(outcome: keyof typeof counts, what: string): void {
  counts[outcome]++;
  console.log(`  ${outcome.padEnd(7)} ${what}`);
}

const check = (ok: boolean, what: string): void => record(ok ? 'passed' : 'failed', what);

/** Tries until it gives what is wanted, for configuration takes a moment to arrive. The last try is the answer. */
async function eventually<T>(attempt: () => Promise<T>, wanted: (result: T) => boolean, seconds = 60): Promise<T> {
  for (const until = Date.now() + seconds * 1000; ; await sleep(500)) {
    const result = await attempt();
    if (wanted(result) || Date.now() > until) return result;
  }
}

/** Whether `hits` of `n` may be chance for a share: both tails of the binomial distribution are above 1 in 10 000. */
function plausible(hits: number, n: number, share: number): boolean {
  // From the thin end: 0.05 ** 300 is 0 to a computer.
  if (share > 0.5) return plausible(n - hits, n, 1 - share);
  let term = (1 - share) ** n;
  let below = 0;
  for (let k = 0; k < hits; k++) {
    below += term;
    term *= ((n - k) / (k + 1)) * (share / (1 - share));
  }
  return below + term > 1e-4 && 1 - below > 1e-4;
}

// --- the cluster

interface Result {
  code: number;
  output: string;
}

async function run(program: string, args: string[], input = ''): Promise<Result> {
  const running = promisify(execFile)(program, args, { cwd: ROOT, maxBuffer: 1 << 28, timeout: 300_000 });
  running.child.stdin?.end(input);
  try {
    const { stdout, stderr } = await running;
    return { code: 0, output: stdout || stderr };
  } catch (error) {
    const { code, stdout = '', stderr = '' } = error as { code?: unknown; stdout?: string; stderr?: string };
    return { code: typeof code === 'number' ? code : 1, output: stdout + stderr || String(error) };
  }
}

async function kubectl(args: string[], input?: string): Promise<string> {
  const { code, output } = await run('kubectl', args, input);
  if (code !== 0) throw new Error(`kubectl ${args.join(' ')}: ${output.trim()}`);
  return output;
}

const exists = async (...what: string[]): Promise<boolean> => (await run('kubectl', ['get', ...what])).code === 0;

const list = async <T extends Manifest = Manifest>(...what: string[]): Promise<T[]> =>
  (JSON.parse(await kubectl(['get', ...what, '--output=json'])) as { items: T[] }).items;

const files = (names: string[]): string[] => names.map((name) => `--filename=${name}`);

let interrupted = false;

/** What the lesson has applied on top of the application with its gateway and its subsets. */
let applied: string[] = [];
const ROUTING = ['istio/bookinfo-gateway.yaml', 'istio/destination-rule-all.yaml'];

async function apply(...names: string[]): Promise<void> {
  if (interrupted) throw new Error('interrupted');
  applied.push(...names);
  await kubectl(['apply', ...files(names)]);
}

/** Back to where every lesson starts: the application, its gateway, its subsets, and every version in its turn. */
async function reset(): Promise<void> {
  const lesson = [...new Set(applied)].reverse();
  applied = [];
  if (lesson.length > 0) await kubectl(['delete', '--ignore-not-found', ...files(lesson)]);
  await kubectl(['apply', ...files(ROUTING)]);
}

interface Pod extends Manifest {
  spec: { containers: { name: string }[]; initContainers?: { name: string }[] };
  status: {
    phase: string;
    conditions?: { type: string; status: string; message?: string }[];
    containerStatuses?: { ready: boolean; image: string; state: { waiting?: { reason: string } } }[];
  };
}

/** Why a pod will not start on this cluster whatever one does: no image, no memory, no volume. */
function obstacle({ metadata, status }: Pod): string | undefined {
  const unscheduled = status.conditions?.find(({ type, status }) => type === 'PodScheduled' && status === 'False');
  if (unscheduled) return `${metadata.name}: ${unscheduled.message}`;
  const imageless = status.containerStatuses?.find(({ state }) => state.waiting?.reason === 'ImagePullBackOff');
  return imageless && `the image ${imageless.image} cannot be had`;
}

/** Applies workloads and waits until all of them serve. */
async function deploy(file: string, namespace = 'default'): Promise<void> {
  await apply(file);
  const kinds = '--output=jsonpath={range .items[*]}{.kind}/{.metadata.name} {end}';
  const workloads = (await kubectl(['get', '-f', file, `--namespace=${namespace}`, kinds]))
    .split(' ')
    .filter((workload) => /^(Deployment|StatefulSet)/.test(workload));
  for (const workload of workloads) {
    const status = ['rollout', 'status', workload, `--namespace=${namespace}`, '--timeout=5s'];
    let reason: string | undefined;
    const ready = async () => {
      if ((await run('kubectl', status)).code === 0) return true;
      reason = (await list<Pod>('pods', `--namespace=${namespace}`)).map(obstacle).find((found) => found !== undefined);
      return false;
    };
    if (await eventually(ready, (done) => done || reason !== undefined, 180)) continue;
    throw reason ? new Skip(reason) : new Error(`${workload} of ${file} does not become ready`);
  }
}

// --- requests

let gateway = '';

interface Page {
  status: number;
  body: string;
  seconds: number;
  headers: Headers;
}

/** One request through the gateway. A connection that breaks is status 0. */
async function get(path = '/productpage', headers: Record<string, string> = {}, method = 'GET'): Promise<Page> {
  if (interrupted) throw new Error('interrupted');
  const start = performance.now();
  const seconds = () => (performance.now() - start) / 1000;
  try {
    const answer = await fetch(gateway + path, { method, headers, signal: AbortSignal.timeout(30_000) });
    return { status: answer.status, body: await answer.text(), seconds: seconds(), headers: answer.headers };
  } catch (error) {
    return { status: 0, body: String(error), seconds: seconds(), headers: new Headers() };
  }
}

/** Signs in, as `curl -c jar …/login --data "username=jason&passwd=password"` does; gives the cookie. */
async function signIn(username: string): Promise<Record<string, string>> {
  const answer = await fetch(`${gateway}/login`, {
    method: 'POST',
    body: new URLSearchParams({ username, passwd: 'password' }),
    redirect: 'manual',
  });
  const cookie = answer.headers.get('set-cookie')?.split(';')[0];
  if (answer.status !== 302 || !cookie) throw new Error(`signing in was answered ${answer.status}`);
  return { cookie };
}

/** What `grep -c glyphicon-star` counts. */
const stars = ({ body }: Page): number => body.split('\n').filter((line) => line.includes('glyphicon-star')).length;
const reviewsVersion = ({ body }: Page): string => body.match(/Reviews served by: <strong>reviews-(v\d)-/)?.[1] ?? '?';
const pageVersion = ({ body }: Page): string => (body.includes('productpage v2') ? 'v2' : 'v1');
const failed = ({ body }: Page): boolean => /Sorry, |Error fetching|currently unavailable/.test(body);
/** What most lessons want of every page: 200, with nothing missing. */
const health = (page: Page): string => (failed(page) ? `${page.status} with an error` : String(page.status));
const traceOf = ({ body }: Page): string => body.match(/trace\/([0-9a-f]{32})/)?.[1] ?? '';

/** Sends `n` requests, a few at a time, and counts the outcomes. */
async function tally(
  n: number,
  outcome: (page: Page) => string,
  headers: Record<string, string> = {},
  path?: string,
  atATime = 4,
): Promise<Record<string, number>> {
  const outcomes: Record<string, number> = {};
  let left = n;
  const one = async () => {
    while (left-- > 0) {
      const key = outcome(await get(path, headers));
      outcomes[key] = (outcomes[key] ?? 0) + 1;
    }
  };
  await Promise.all(Array.from({ length: atATime }, one));
  return outcomes;
}

const print = (outcomes: Record<string, number>): string =>
  Object.entries(outcomes)
    .sort()
    .map(([key, n]) => `${key} × ${n}`)
    .join(', ');

/** Waits until every page is of one kind, which says that a new route has arrived everywhere. */
async function all(outcome: (page: Page) => string, wanted: string, headers = {}): Promise<void> {
  const outcomes = await eventually(
    () => tally(12, outcome, headers),
    (seen) => Object.keys(seen).join() === wanted,
  );
  check(Object.keys(outcomes).join() === wanted, `${wanted} every time: ${print(outcomes)}`);
}

/** Checks the shares of a route that is new: `version` was not answered before, so its first answer tells of the route. */
async function shares(outcome: (page: Page) => string, expected: Record<string, number>, fresh: string): Promise<void> {
  await eventually(
    () => get(),
    (page) => outcome(page) === fresh,
  );
  const n = 300;
  const outcomes = await tally(n, outcome);
  const fits = Object.entries(expected).every(([version, share]) => plausible(outcomes[version] ?? 0, n, share));
  const wanted = Object.entries(expected).map(([version, share]) => `${version} ${Math.round(share * 100)} %`);
  check(
    fits && Object.keys(outcomes).every((version) => version in expected),
    `${wanted.join(', ')}: ${print(outcomes)}`,
  );
}

/** What a program in a pod is answered: status and body, or why there was no answer. */
async function ask(deployment: string, url: string, method = 'GET', namespace = 'default'): Promise<string> {
  const script = `fetch('http://${url}', { method: '${method}', signal: AbortSignal.timeout(9000) })
    .then(async (answer) => console.log(answer.status, await answer.text()), (error) => console.log(error.cause?.code ?? error.name))`;
  const container = deployment.split('-')[0] ?? '';
  const pod = ['exec', `deployment/${deployment}`, `--container=${container}`, `--namespace=${namespace}`];
  return (await kubectl([...pod, '--', 'node', '--eval', script])).trim();
}

/** Waits for an answer that starts as wanted, and checks it. */
async function answers(wanted: string, what: string, attempt: () => Promise<string>): Promise<void> {
  const answer = await eventually(attempt, (text) => text.startsWith(wanted), 30);
  check(answer.startsWith(wanted), `${what}: ${answer.split('\n')[0]?.slice(0, 60)}`);
}

/** Runs something while a pod without a sidecar is there to send requests from; `curl` gives exit code and output. */
async function withoutSidecar(use: (curl: (url: string) => Promise<Result>) => Promise<void>): Promise<void> {
  const remove = () => kubectl(['delete', 'pod', 'plain', '--ignore-not-found', '--grace-period=1']);
  await remove();
  const options = ['--image=bookinfo-ts/ratings:1.0.0', '--labels=sidecar.istio.io/inject=false', '--restart=Never'];
  await kubectl(['run', 'plain', ...options, '--command', '--', 'sleep', '600']);
  try {
    await kubectl(['wait', '--for=condition=Ready', 'pod/plain', '--timeout=60s']);
    const curl = ['exec', 'plain', '--', 'curl', '-sS', '-m', '5', '-o', '/dev/null', '-w', '%{http_code}'];
    await use((url) => run('kubectl', [...curl, url]));
  } finally {
    await remove();
  }
}

/** The same gateway requests, through a port-forward to another Service. */
async function throughForward(service: string, use: () => Promise<void>): Promise<void> {
  const child = spawn('kubectl', ['port-forward', service, ':80'], { stdio: ['ignore', 'pipe', 'inherit'] });
  const before = gateway;
  try {
    for await (const line of createInterface(child.stdout)) {
      gateway = `http://127.0.0.1:${line.match(/127\.0\.0\.1:(\d+)/)?.[1]}`;
      break;
    }
    await use();
  } finally {
    gateway = before;
    child.kill();
  }
}

// --- the lessons, in the order of the day

const lessons: { name: string; title: string; teach: () => Promise<void> }[] = [];
const lesson = (name: string, title: string, teach: () => Promise<void>): void => {
  lessons.push({ name, title, teach });
};

lesson('install', 'Istio and the application run, each pod with its sidecar', async () => {
  const control = await list<Pod>('pods', '--namespace=istio-system');
  for (const name of ['istiod', 'istio-ingressgateway', 'istio-egressgateway'])
    check(
      control.some(({ metadata, status }) => metadata.name.startsWith(name) && status.phase === 'Running'),
      `${name} is Running`,
    );
  const pods = await list<Pod>('pods', '--selector=app in (productpage, details, reviews, ratings)');
  for (const { metadata, spec, status } of pods) {
    const sidecar = [...(spec.initContainers ?? []), ...spec.containers].some(({ name }) => name === 'istio-proxy');
    const ready = status.containerStatuses?.every((container) => container.ready) ?? false;
    check(sidecar && ready, `${metadata.name} is ready, with a sidecar`);
  }
  const ratings = ['exec', 'deployment/ratings-v1', '--container=ratings', '--'];
  const page = await kubectl([...ratings, 'curl', '-sS', 'productpage:9080/productpage']);
  check(page.includes('<title>Simple Bookstore App</title>'), 'the title, asked for from ratings');
});

lesson('gateway', 'The page and everything on it comes in through the gateway', async () => {
  const page = await eventually(get, ({ status }) => status === 200);
  check(page.body.includes('<title>Simple Bookstore App</title>'), `the title, at ${gateway}`);
  for (const [, asset] of page.body.matchAll(/(?:src|href)="(static\/[^"]+)"/g))
    check((await get(`/${asset}`)).status === 200, asset ?? '');
  for (const path of [
    '/api/v1/products',
    '/api/v1/products/0',
    '/api/v1/products/0/reviews',
    '/api/v1/products/0/ratings',
  ])
    check((await get(path)).status === 200, path);
  check((await get('/metrics')).status === 404, '/metrics stays inside: 404');
});

lesson('no-rules', 'Without rules the three versions of reviews take turns', async () => {
  const outcomes = await tally(60, (page) => `${reviewsVersion(page)} ${stars(page)}`);
  check(Object.keys(outcomes).sort().join() === 'v1 0,v2 9,v3 9', `versions and stars: ${print(outcomes)}`);
});

lesson('all-v1', 'Everything to version 1', async () => {
  await apply('istio/virtual-service-all-v1.yaml');
  await all((page) => `${reviewsVersion(page)} ${stars(page)}`, 'v1 0');
});

lesson('weights', 'Canaries of reviews by weight', async () => {
  for (const [file, expected, fresh] of [
    ['90-10', { v1: 0.9, v2: 0.1 }, 'v2'],
    ['80-20', { v1: 0.8, v2: 0.2 }, 'v2'],
    ['50-v3', { v1: 0.5, v3: 0.5 }, 'v3'],
  ] as const) {
    await apply('istio/virtual-service-all-v1.yaml');
    await all(reviewsVersion, 'v1');
    await apply(`istio/virtual-service-reviews-${file}.yaml`);
    await shares(reviewsVersion, expected, fresh);
  }
});

lesson('by-user', 'jason sees other reviews than everybody else', async () => {
  const jason = await signIn('jason');
  check((await get('/productpage', jason)).body.includes('jason'), 'his name is on the page');
  await apply('istio/virtual-service-reviews-test-v2.yaml');
  await all(reviewsVersion, 'v1');
  await all(reviewsVersion, 'v2', jason);
  await apply('istio/virtual-service-reviews-jason-v2-v3.yaml');
  await all(reviewsVersion, 'v3');
  await all(reviewsVersion, 'v2', jason);
  await all(reviewsVersion, 'v3', { 'end-user': 'jason' });
});

lesson('canary-reviews', 'The canary of the course: jason v2, everybody else 80/20', async () => {
  await apply('istio/virtual-service-all-v1.yaml');
  await all(reviewsVersion, 'v1');
  await apply('istio/canary-reviews.yaml');
  await all(reviewsVersion, 'v2', await signIn('jason'));
  await shares(reviewsVersion, { v1: 0.8, v2: 0.2 }, 'v2');
});

lesson('canary-productpage', 'A canary of the page: by header, else one in twenty', async () => {
  await apply('istio/canary-productpage.yaml');
  await deploy('k8s/productpage-v2.yaml');
  await all(pageVersion, 'v2', { canary: 'true' });
  await shares(pageVersion, { v1: 0.95, v2: 0.05 }, 'v2');
  const session = await signIn('jason');
  const names = await tally(20, ({ body }) => (body.includes('jason') ? 'signed in' : 'signed out'), {
    ...session,
    canary: 'true',
  });
  check(Object.keys(names).join() === 'signed in', 'a session of v1 or v2 holds in v2');
  await answers('200', 'the header inside the mesh', () => ask('ratings-v1', 'productpage:9080/productpage'));
});

lesson('canary-by-token', 'A canary by a signed token', async () => {
  await apply('istio/canary-by-token.yaml');
  await deploy('k8s/productpage-v2.yaml');
  const token = readFileSync(join(ROOT, 'istio/tester.jwt'), 'utf8').trim();
  await all(pageVersion, 'v2', { authorization: `Bearer ${token}` });
  await all(pageVersion, 'v1');
  const forged = token.replace(/.(?=[^.]{20}$)/, (letter) => (letter === 'A' ? 'B' : 'A'));
  const { status } = await get('/productpage', { authorization: `Bearer ${forged}` });
  check(status === 401, `one letter of it changed: ${status}`);
});

lesson('delay', 'A delay of 7 s: longer than 2 × 3 s of the page, shorter than the 10 s of reviews v2', async () => {
  const jason = await signIn('jason');
  await apply('istio/virtual-service-all-v1.yaml', 'istio/virtual-service-reviews-test-v2.yaml');
  await apply('istio/virtual-service-ratings-test-delay.yaml');
  const slow = await eventually(
    () => get('/productpage', jason),
    ({ seconds }) => seconds > 5,
  );
  const sorry = 'Sorry, product reviews are currently unavailable for this book.';
  check(slow.status === 200 && slow.body.includes(sorry), 'jason reads that the reviews are unavailable');
  check(slow.seconds > 5.5 && slow.seconds < 8, `after ${slow.seconds.toFixed(2)} s`);
  const { body, seconds } = await get();
  check(body.includes('Book Reviews') && seconds < 3, `everybody else has reviews, after ${seconds.toFixed(2)} s`);
  await apply('istio/virtual-service-reviews-v3.yaml');
  // One page may ask v2 first and v3 second while the route arrives; the page after it does not.
  await eventually(
    () => get('/productpage', jason),
    (page) => reviewsVersion(page) === 'v3',
  );
  const fixed = await get('/productpage', jason);
  check(
    fixed.body.includes('Ratings service is currently unavailable'),
    'reviews v3 gives up first: reviews without stars',
  );
  check(fixed.seconds > 2.4 && fixed.seconds < 4, `after ${fixed.seconds.toFixed(2)} s`);
});

lesson('abort', 'Errors made by the proxy', async () => {
  const jason = await signIn('jason');
  await apply('istio/virtual-service-all-v1.yaml', 'istio/virtual-service-reviews-test-v2.yaml');
  await apply('istio/virtual-service-ratings-test-abort.yaml');
  const unavailable = ({ body }: Page) => String(body.includes('Ratings service is currently unavailable'));
  await all(unavailable, 'true', jason);
  await all(unavailable, 'false');
  await apply('istio/fault-injection-details-v1.yaml');
  const page = await eventually(get, ({ body }) => body.includes('Error fetching product details'));
  check(page.body.includes('Error fetching product details'), 'Error fetching product details');
  check(page.status === 200 && page.body.includes('Book Reviews'), 'the page is 200, with its reviews');
  check((await get('/api/v1/products/0')).status === 555, 'the API passes 555 on');
});

lesson('timeout', 'A timeout of 0.5 s, tried twice by the page', async () => {
  await apply('istio/virtual-service-reviews-timeout.yaml');
  const page = await eventually(get, ({ body }) => body.includes('Sorry, product reviews'));
  check(page.body.includes('Sorry, product reviews are currently unavailable'), 'no reviews');
  check(page.seconds > 0.9 && page.seconds < 3, `after ${page.seconds.toFixed(2)} s`);
});

lesson('retries', 'Retries hide a version that fails every other time', async () => {
  await apply('istio/virtual-service-reviews-v3.yaml', 'istio/virtual-service-ratings-retries.yaml');
  await deploy('k8s/ratings-v-faulty.yaml');
  const none = '[{"op":"replace","path":"/spec/http/0/retries","value":{"attempts":0}}]';
  await kubectl(['patch', 'virtualservices.networking.istio.io', 'ratings', '--type=json', `--patch=${none}`]);
  const rated = (page: Page) => (stars(page) === 9 ? 'stars' : 'none');
  const bare = await eventually(
    () => tally(40, rated),
    (seen) => (seen.none ?? 0) > 0,
  );
  check((bare.none ?? 0) > 0 && (bare.stars ?? 0) > 0, `without retries: ${print(bare)}`);
  await apply('istio/virtual-service-ratings-retries.yaml');
  const missing = await eventually(
    () => tally(60, rated),
    (seen) => !seen.none,
  );
  check(!missing.none, `with retries: ${print(missing)}`);
});

lesson('mirroring', 'v1 answers, v3 gets a copy', async () => {
  await apply('istio/virtual-service-reviews-mirror.yaml');
  await all(reviewsVersion, 'v1');
  const trace = traceOf(await get());
  for (const version of ['v1', 'v3']) {
    const log = () => kubectl(['logs', `deployment/reviews-${version}`, '--container=reviews', '--since=2m']);
    const seen = (await eventually(log, (lines) => lines.includes(trace), 20)).includes(trace);
    check(trace !== '' && seen, `the log of reviews ${version} has trace ${trace}`);
  }
});

lesson('circuit-breaker', 'A circuit breaker answers 503 at once rather than queueing', async () => {
  const reviews = '/api/v1/products/0/reviews';
  const status = (page: Page) => String(page.status);
  await apply('istio/virtual-service-all-v1.yaml');
  await all(reviewsVersion, 'v1');
  const before = await tally(120, status, {}, reviews, 60);
  check(Object.keys(before).join() === '200', `60 at a time without it: ${print(before)}`);
  await apply('istio/destination-rule-reviews-circuit-breaker.yaml');
  const open = await eventually(
    () => tally(240, status, {}, reviews, 60),
    (seen) => '503' in seen,
  );
  check(Object.keys(open).sort().join() === '200,503', `60 at a time with it: ${print(open)}`);
  const after = await tally(20, status, {}, reviews, 1);
  check(Object.keys(after).join() === '200', `one at a time: ${print(after)}`);
  const stats = [
    'exec',
    'deployment/productpage-v1',
    '--container=istio-proxy',
    '--',
    'pilot-agent',
    'request',
    'GET',
    'stats',
  ];
  const overflow = (await kubectl(stats)).match(/reviews\.default.*upstream_rq_pending_overflow: ([1-9]\d*)/)?.[1];
  check(overflow !== undefined, `the sidecar of productpage counts ${overflow ?? 'no'} overflows`);
});

lesson('rate-limit', 'Ten requests a minute, then 429', async () => {
  await apply('istio/productpage_envoy_ratelimit.yaml');
  const answer = ({ status, headers }: Page) => `${status} ${headers.get('x-local-rate-limit') ?? ''}`.trim();
  const wanted = '200 × 10, 429 true × 10';
  // After a minute the bucket is full, and connections that were open, which keep the old rules for 45 s, are gone.
  const twenty = async () => {
    await sleep(62_000);
    return print(await tally(20, answer, {}, undefined, 1));
  };
  const outcomes = await eventually(twenty, (seen) => seen === wanted, 100);
  check(outcomes === wanted, outcomes);
});

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
  check(pod?.metadata.annotations?.['prometheus.io/port'] === '15020', 'the annotation sends Prometheus to port 15020');
});

lesson('prometheus', 'Prometheus has the metrics of every version, under STRICT too', async () => {
  if (!(await exists('service/prometheus', '--namespace=istio-system'))) throw new Skip('Prometheus is not installed');
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
});

lesson('mutual-tls', 'STRICT: who has no certificate is refused', async () => {
  await withoutSidecar(async (curl) => {
    const page = 'productpage:9080/productpage';
    check((await curl(page)).output === '200', 'PERMISSIVE: a pod without a sidecar gets the page');
    await apply('istio/security-policy.yaml');
    const refused = await eventually(
      () => curl(page),
      ({ code }) => code === 56,
    );
    check(refused.code === 56, `STRICT: its connection is reset, curl exits with ${refused.code}`);
  });
  await answers('200', 'from ratings, with a sidecar', () => ask('ratings-v1', 'productpage:9080/productpage'));
  const outcomes = await tally(20, ({ status }) => String(status));
  check(print(outcomes) === '200 × 20', `the page through the gateway: ${print(outcomes)}`);
  const [pod] = await list('pods', '--selector=app=productpage,version=v1');
  const describe = await run('istioctl', ['experimental', 'describe', 'pod', pod?.metadata.name ?? '']);
  if (describe.output.includes('ENOENT')) record('skipped', 'istioctl is not on the PATH');
  else check(describe.output.includes('Workload mTLS mode: STRICT'), 'istioctl says STRICT');
});

lesson('authorization', 'allow-all allows everything; least privilege only what the shop needs', async () => {
  await apply('istio/security-policy.yaml');
  await answers('200', 'allow-all: ratings may ask details', () => ask('ratings-v1', 'details:9080/details/0'));
  await kubectl(['delete', 'authorizationpolicy', 'allow-all']);
  await apply('istio/authorization-least-privilege.yaml');
  const denied = '403 RBAC: access denied';
  for (const [wanted, from, url, method] of [
    [denied, 'ratings-v1', 'details:9080/details/0'],
    [denied, 'ratings-v1', 'reviews:9080/reviews/0'],
    [denied, 'ratings-v1', 'productpage:9080/productpage'],
    [denied, 'details-v1', 'ratings:9080/ratings/0'],
    [denied, 'reviews-v2', 'details:9080/details/0'],
    ['200', 'reviews-v2', 'ratings:9080/ratings/0'],
    [denied, 'reviews-v2', 'ratings:9080/ratings/0', 'POST'],
    ['200', 'productpage-v1', 'details:9080/details/0'],
    ['200', 'productpage-v1', 'reviews:9080/reviews/0'],
    [denied, 'productpage-v1', 'ratings:9080/ratings/0'],
  ] as const)
    await answers(wanted, `${from} ${method ?? 'GET'} ${url}`, () => ask(from, url, method));
  const outcomes = await tally(30, health);
  check(print(outcomes) === '200 × 30', `the page: ${print(outcomes)}`);
  check((await get('/productpage', await signIn('jason'))).body.includes('jason'), 'signing in');
  const { status } = await eventually(
    () => get('/productpage', {}, 'DELETE'),
    (page) => page.status === 403,
  );
  check(status === 403, `DELETE /productpage through the gateway: ${status}`);
});

lesson('mysql', 'Ratings from MySQL, under STRICT', async () => {
  await deploy('k8s/bookinfo-mysql.yaml');
  await deploy('k8s/bookinfo-ratings-v2-mysql.yaml');
  await apply('istio/virtual-service-ratings-mysql.yaml', 'istio/security-policy.yaml');
  await starsFollow((rating) => {
    const sql = `mariadb -uroot -p"$MARIADB_ROOT_PASSWORD" test -e "UPDATE ratings SET Rating = ${rating} WHERE ReviewID = 1"`;
    return ['mysqldb-v1-0', '--container=mysqldb', '--', 'sh', '-c', sql];
  });
});

lesson('mongodb', 'Ratings from MongoDB, under STRICT', async () => {
  await deploy('k8s/bookinfo-db.yaml');
  await deploy('k8s/bookinfo-ratings-v2.yaml');
  await apply('istio/virtual-service-ratings-db.yaml', 'istio/security-policy.yaml');
  await starsFollow((rating) => {
    const change = `db.ratings.updateOne({ _id: 1 }, { $set: { rating: ${rating} } })`;
    return ['mongodb-v1-0', '--container=mongodb', '--', 'mongosh', '--quiet', 'test', '--eval', change];
  });
});

/** A rating that changes in the database changes on the page. */
async function starsFollow(setFirstRating: (rating: number) => string[]): Promise<void> {
  for (const rating of [5, 1, 5]) {
    await kubectl(['exec', ...setFirstRating(rating)]);
    await all((page) => `${stars(page)} stars`, `${rating + 4} stars`);
  }
}

lesson('egress', 'details v2 asks Google Books, by TLS that the sidecar adds', async () => {
  await apply('istio/egress-rule-google-apis.yaml', 'istio/virtual-service-details-v2.yaml');
  await deploy('k8s/bookinfo-details-v2.yaml');
  const answer = await eventually(
    () => get('/api/v1/products/0'),
    ({ body }) => !body.includes('PublisherA'),
  );
  if (answer.status >= 500) throw new Skip(`Google Books does not answer from here: ${answer.status}`);
  check(answer.status === 200 && answer.body.includes('0486424618'), `the book that Google knows: ${answer.body}`);
});

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
    () => curl(`${gateway}/productpage`),
    ({ output }) => output.includes('Book Reviews'),
  );
  check(page.output.includes('<title>Simple Bookstore App</title>'), 'the page, for the host bookinfo.production');
  const code = ['-o', '/dev/null', '-w', '%{http_code}', '--data', 'username=jason&passwd=password'];
  check((await curl(...code, `${gateway}/login`)).output === '302', 'signing in is allowed');
  check((await curl(...code, `${gateway}/productpage`)).output === '403', 'any other POST is not');
});

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
});

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
});

lesson('rolling-restart', 'No request is lost while every pod is replaced', async () => {
  await apply('istio/virtual-service-reviews-v2-v3.yaml');
  await all((page) => String(stars(page)), '9');
  const outcomes: Record<string, number> = {};
  let restarting = true;
  const steady = async () => {
    while (restarting) {
      const key = health(await get());
      outcomes[key] = (outcomes[key] ?? 0) + 1;
      await sleep(50);
    }
  };
  const traffic = [steady(), steady()];
  try {
    for (const name of ['details-v1', 'ratings-v1', 'reviews-v1', 'reviews-v2', 'reviews-v3', 'productpage-v1']) {
      await kubectl(['rollout', 'restart', `deployment/${name}`]);
      await kubectl(['rollout', 'status', `deployment/${name}`, '--timeout=180s']);
    }
    // The last old pods are still draining.
    await sleep(15_000);
  } finally {
    restarting = false;
    await Promise.all(traffic);
  }
  check(Object.keys(outcomes).join() === '200', `pages: ${print(outcomes)}`);
});

interface Span {
  spanID: string;
  operationName: string;
  processID: string;
  references: { refType: string; spanID: string }[];
  tags: { key: string; value: unknown }[];
}

lesson('traces', 'One request is one tree in Jaeger, of services and proxies', async () => {
  const jaeger = '/api/v1/namespaces/istio-system/services/tracing:80/proxy/api/traces';
  if (!(await exists('service/tracing', '--namespace=istio-system'))) throw new Skip('Jaeger is not installed');
  await apply('istio/virtual-service-reviews-v3.yaml');
  await all(reviewsVersion, 'v3');
  const pages: Page[] = [];
  while (pages.length < 5) pages.push(await get());
  for (const id of pages.map(traceOf)) {
    const fetchTrace = async (): Promise<string[]> => {
      const { code, output } = await run('kubectl', ['get', '--raw', `${jaeger}/${id}`]);
      if (code !== 0) return [`Jaeger knows no trace ${id}`];
      const [trace] = (
        JSON.parse(output) as { data: { spans: Span[]; processes: Record<string, { serviceName: string }> }[] }
      ).data;
      return trace ? faults(trace.spans, trace.processes) : ['empty'];
    };
    const found = await eventually(fetchTrace, (list) => list.length === 0, 40);
    check(found.length === 0, `trace ${id}${found.map((fault) => `\n          ${fault}`).join('')}`);
  }
});

/** The calls of one page view. Each is four spans in a chain: caller, its proxy, the callee's proxy, callee. */
const CALLS = [
  ['productpage', 'details'],
  ['productpage', 'reviews'],
  ['reviews', 'ratings'],
] as const;

/** What is wrong with a trace of a page view. */
function faults(spans: Span[], processes: Record<string, { serviceName: string }>): string[] {
  const byId = new Map(spans.map((span) => [span.spanID, span]));
  const parentOf = (span: Span) =>
    byId.get(span.references.find(({ refType }) => refType === 'CHILD_OF')?.spanID ?? '');
  const describe = (span?: Span) => {
    const tag = (key: string) => span?.tags.find((tag) => tag.key === key)?.value;
    return (
      span &&
      `${processes[span.processID]?.serviceName} ${tag('component') === 'proxy' ? 'proxy' : 'app'} ${tag('span.kind')}`
    );
  };
  const found: string[] = [];
  const roots = spans.filter(({ references }) => references.length === 0);
  if (roots.map(describe).join() !== 'istio-ingressgateway proxy server')
    found.push(`roots: ${roots.map(describe).join()}`);
  for (const span of spans)
    if (span.references.length > 0 && !parentOf(span)) found.push(`orphan: ${describe(span)} ${span.operationName}`);
  const chains = new Set(
    spans.map((span) => {
      const chain: (string | undefined)[] = [];
      for (let at: Span | undefined = span; at && chain.length < 4; at = parentOf(at)) chain.unshift(describe(at));
      return chain.join(' > ');
    }),
  );
  for (const [caller, callee] of CALLS) {
    const chain = `${caller} app client > ${caller} proxy client > ${callee} proxy server > ${callee} app server`;
    if (!chains.has(chain)) found.push(`missing: ${chain}`);
  }
  return found;
}

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
});

// --- before and after

const ISTIO_KINDS = [
  ...['virtualservices', 'destinationrules', 'gateways', 'envoyfilters', 'serviceentries'].map(
    (kind) => `${kind}.networking.istio.io`,
  ),
  ...['peerauthentications', 'authorizationpolicies', 'requestauthentications'].map(
    (kind) => `${kind}.security.istio.io`,
  ),
];
const GATEWAY_KINDS = ['gateways.gateway.networking.k8s.io', 'httproutes.gateway.networking.k8s.io'];
const WORKLOAD_KINDS =
  'deployments,statefulsets,services,serviceaccounts,secrets,configmaps,persistentvolumeclaims,networkpolicies';

interface Before {
  routing: Manifest[];
  workloads: Set<string>;
  injection: string | undefined;
  namespaces: Set<string>;
}

const nameOf = ({ kind, metadata }: Manifest): string => `${kind}/${metadata.name}`;

async function routingKinds(): Promise<string> {
  const gatewayApi = await exists('crd', 'httproutes.gateway.networking.k8s.io');
  return [...ISTIO_KINDS, ...(gatewayApi ? GATEWAY_KINDS : [])].join();
}

async function snapshot(): Promise<Before> {
  const kinds = await routingKinds();
  const namespaces = await list('namespaces');
  return {
    routing: [...(await list(kinds)), ...(await list(kinds, '--namespace=istio-system'))],
    workloads: new Set((await list(WORKLOAD_KINDS)).map(nameOf)),
    injection: namespaces.find(({ metadata }) => metadata.name === 'default')?.metadata.labels?.['istio-injection'],
    namespaces: new Set(namespaces.map(nameOf)),
  };
}

async function prepare(): Promise<void> {
  await kubectl(['delete', await routingKinds(), '--all']);
  await kubectl(['label', 'namespace', 'default', 'istio-injection=enabled', '--overwrite']);
  await reset();
  await deploy('k8s/bookinfo.yaml');
  applied = [];
}

async function restore(before: Before): Promise<void> {
  console.log('Putting everything back');
  await reset();
  await kubectl(['delete', await routingKinds(), '--all']);
  const routing = before.routing.map(
    ({ apiVersion, kind, metadata: { name, namespace, labels, annotations }, spec }) => ({
      apiVersion,
      kind,
      metadata: { name, namespace, labels, annotations },
      spec,
    }),
  );
  if (routing.length > 0)
    await kubectl(['apply', '--filename=-'], JSON.stringify({ apiVersion: 'v1', kind: 'List', items: routing }));
  const added = (await list(WORKLOAD_KINDS)).map(nameOf).filter((name) => !before.workloads.has(name));
  if (added.length > 0) await kubectl(['delete', '--ignore-not-found', ...added]);
  for (const namespace of (await list('namespaces')).filter((found) => !before.namespaces.has(nameOf(found))))
    await kubectl(['delete', 'namespace', namespace.metadata.name]);
  if (before.injection === undefined) await kubectl(['label', 'namespace', 'default', 'istio-injection-']);
}

async function gatewayUrl(): Promise<string> {
  if (process.env.GATEWAY_URL) return `http://${process.env.GATEWAY_URL.replace(/^http:\/\//, '')}`;
  const address = '{.status.loadBalancer.ingress[0].ip}{.status.loadBalancer.ingress[0].hostname}';
  const service = ['get', 'service', 'istio-ingressgateway', '--namespace=istio-system'];
  return `http://${(await kubectl([...service, `--output=jsonpath=${address}`])) || 'localhost'}`;
}

async function whyNot(): Promise<string | undefined> {
  const { code, output } = await run('kubectl', ['get', 'namespaces', '--request-timeout=10s']);
  if (code !== 0) return `no cluster answers: ${output.trim().split('\n').at(-1)}`;
  const istio = await exists('deployment/istiod', '--namespace=istio-system');
  return istio ? undefined : 'Istio is not installed: istioctl install -f istio/mesh-config.yaml -y';
}

const USAGE = `test/lab [--only NAME,NAME]   goes through the course day on the cluster that kubectl points to

GATEWAY_URL is where the ingress gateway answers; without it, the address of its Service.

${lessons.map(({ name, title }) => `  ${name.padEnd(19)}${title}`).join('\n')}`;

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { only: { type: 'string' }, help: { type: 'boolean', short: 'h' } } });
  if (values.help) return console.log(USAGE);
  const names = values.only?.split(',') ?? lessons.map(({ name }) => name);
  const unknown = names.filter((name) => !lessons.some((lesson) => lesson.name === name));
  if (unknown.length > 0) throw new Error(`no lesson is called ${unknown.join(', ')}; see --help`);

  const reason = await whyNot();
  if (reason) {
    console.log(`test/lab was skipped: ${reason}`);
    console.log('0 passed, 0 failed, 1 skipped');
    return;
  }
  gateway = await gatewayUrl();
  const before = await snapshot();
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => {
      interrupted = true;
    });
  try {
    await prepare();
    for (const { name, title, teach } of lessons.filter((lesson) => names.includes(lesson.name))) {
      console.log(`${name}: ${title}`);
      try {
        await eventually(get, (page) => health(page) === '200');
        await teach();
      } catch (error) {
        record(error instanceof Skip ? 'skipped' : 'failed', (error as Error).message);
      }
      if (interrupted) break;
      await reset();
    }
  } finally {
    await restore(before);
  }
  console.log(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
  if (counts.failed > 0) process.exitCode = 1;
}

await main();
