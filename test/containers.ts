/**
 * Builds the images, looks at what is in them, and runs docker-compose.yml with all its profiles in a real engine,
 * under a project name and ports of its own.
 *
 *   test/containers [options of docker buildx bake, such as --set '*.secrets=id=npmrc,src=.npmrc']
 *
 * Needs Docker Engine 25 with Compose 2.24 and Buildx. A part whose image can neither be found nor pulled is skipped.
 */
import { strictEqual as equal, match, ok } from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { Agent, request } from 'undici';
import { ROOT } from './manifests/load.ts';

const SERVICES = ['productpage', 'details', 'reviews', 'ratings'];
const MAX_MB_ABOVE_BASE = 30;

const PORTS = { PRODUCTPAGE_PORT: '19080', JAEGER_PORT: '19686', PROMETHEUS_PORT: '19090', GRAFANA_PORT: '19030' };
const [PAGE, JAEGER, PROMETHEUS, GRAFANA] = Object.values(PORTS).map((port) => `http://127.0.0.1:${port}`);

// --- programs

interface Run {
  status: number | null;
  output: string;
}

function tryDocker(args: string[], env: Record<string, string> = {}): Run {
  const { status, stdout, stderr } = spawnSync('docker', args, {
    cwd: ROOT,
    env: { ...process.env, COMPOSE_PROJECT_NAME: 'bookinfo-test', ...PORTS, ...env },
    encoding: 'utf8',
    timeout: 600_000,
    maxBuffer: 64 * 1024 * 1024,
  });
  return { status, output: status === 0 ? stdout : stdout + stderr };
}

function docker(args: string[], env?: Record<string, string>): string {
  const { status, output } = tryDocker(args, env);
  if (status !== 0) throw new Error(`docker ${args.join(' ')}\n${output.split('\n').slice(-20).join('\n')}`);
  return output;
}

const compose = (args: string, env?: Record<string, string>) => docker(['compose', ...args.split(' ')], env);
/** Starts services, or all of the chosen profiles, and waits until they are healthy. */
const up = (args: string, env?: Record<string, string>) => compose(`up --detach --wait --no-build ${args}`.trim(), env);
const down = (args = '') => compose(`down ${args}`.trim(), { COMPOSE_PROFILES: '*' });
const inspect = (image: string) => JSON.parse(docker(['image', 'inspect', image]))[0];

for (const needed of ['info', 'compose version', 'buildx version']) {
  if (tryDocker(needed.split(' ')).status === 0) continue;
  console.log(`test/containers was skipped: \`docker ${needed}\` fails`);
  console.log('0 passed, 0 failed, 1 skipped');
  process.exit(0);
}

interface ComposeService {
  image: string;
}
const services: Record<string, ComposeService> = JSON.parse(
  compose('config --format json', { COMPOSE_PROFILES: '*' }),
).services;

function imageOf(service: string): string {
  const image = services[service]?.image;
  if (!image) throw new Error(`no service ${service}`);
  return image;
}
function isAvailable(service: string): boolean {
  const image = imageOf(service);
  return tryDocker(['image', 'inspect', image]).status === 0 || tryDocker(['pull', '--quiet', image]).status === 0;
}

// --- results

const counts = { passed: 0, failed: 0, skipped: 0 };

async function check(what: string, run: () => void | Promise<void>): Promise<void> {
  const start = performance.now();
  try {
    await run();
    counts.passed++;
    console.log(`ok ${what} (${((performance.now() - start) / 1000).toFixed(1)} s)`);
  } catch (error) {
    counts.failed++;
    console.log(`FAILED ${what}\n  ${error instanceof Error ? error.message.replaceAll('\n', '\n  ') : error}`);
  }
}

function skip(what: string): void {
  counts.skipped++;
  console.log(`skipped ${what}`);
}

/** Asks until the answer is good, for 60 seconds at most. */
async function eventually(ask: () => void | Promise<void>): Promise<void> {
  const end = performance.now() + 60_000;
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (performance.now() > end) throw error;
      await sleep(500);
    }
  }
}

// --- requests

/** Containers come and go behind a port: no connection is used twice. */
const dispatcher = new Agent({ pipelining: 0, bodyTimeout: 20_000, headersTimeout: 20_000 });

async function get(url: string): Promise<string> {
  const { statusCode, body } = await request(url, { dispatcher });
  const text = await body.text();
  if (statusCode !== 200) throw new Error(`${url}: ${statusCode} ${text}`);
  return text;
}
const page = () => get(`${PAGE}/productpage`);

/** A request from inside, as the course makes it: `status body`. */
const curl = (path: string, ...options: string[]) =>
  docker(['compose', 'exec', 'ratings-v1', 'curl', '-sS', '-w', ' %{http_code}', ...options, `http://${path}`]);

// --- what is checked

function checkImage(service: string): void {
  const image = imageOf(`${service}-v1`);
  const { Config } = inspect(image);
  equal(Config.User, '1000:1000');
  equal(Config.Cmd.join(' '), 'node --import @bookinfo/chassis/telemetry src/server.ts');
  ok(Config.Healthcheck, 'no health check');
  equal(Config.Labels['org.opencontainers.image.title'], `bookinfo-ts/${service}`);
  const programs = docker([
    ...['run', '--rm', '--network', 'none', '--entrypoint', 'sh', image],
    ...[
      '-c',
      'for name in node npm npx pnpm yarn corepack curl; do command -v $name >/dev/null && echo $name; done; true',
    ],
  ]);
  equal(programs.trim().split('\n').join(' '), service === 'ratings' ? 'node curl' : 'node');
}

function checkSizes(): void {
  const base = inspect(process.env.NODE_IMAGE ?? /^NODE_IMAGE=(.+)$/m.exec(compose('config --environment'))?.[1] ?? '');
  const images = SERVICES.map((service) => ({ service, ...inspect(imageOf(`${service}-v1`)) }));
  for (const { service, Size } of images) {
    const above = (Size - base.Size) / 1e6;
    console.log(`  ${service.padEnd(11)} ${(Size / 1e6).toFixed(1)} MB, ${above.toFixed(1)} MB above its base`);
    ok(above <= MAX_MB_ABOVE_BASE, `${service} is ${above.toFixed(1)} MB above its base`);
  }
  const [first, ...others] = images.map(({ RootFS }) => RootFS.Layers as string[]);
  const shared = (first ?? []).filter((layer) => others.every((layers) => layers.includes(layer)));
  const own = shared.length - base.RootFS.Layers.length;
  console.log(`  ${own} layers above the base are the same in all four`);
  ok(own >= 2, 'the images do not share their dependencies');
}

async function checkDefault(): Promise<void> {
  up('');
  match(await page(), /<title>Simple Bookstore App<\/title>/);
  const seen = new Map<string, number>();
  await eventually(async () => {
    const html = await page();
    const version = /reviews-(v[123])/.exec(html)?.[1] ?? '';
    seen.set(version, html.match(/glyphicon-star/g)?.length ?? 0);
    equal([...seen.keys()].sort().join(), 'v1,v2,v3');
  });
  equal(seen.get('v1'), 0);
  equal(seen.get('v2'), 9);
  equal(seen.get('v3'), 9);
  match(curl('productpage:9080/productpage'), /<title>Simple Bookstore App<\/title>/);
}

async function checkFaults(): Promise<void> {
  up('', { COMPOSE_PROFILES: 'lab-faults', RATINGS_HOSTNAME: 'ratings-v-faulty' });
  const faulty = await Promise.all(Array.from({ length: 40 }, page));
  const failures = faulty.filter((html) => html.includes('Ratings service is currently unavailable')).length;
  ok(failures > 0 && failures < faulty.length, `${failures} of ${faulty.length} pages without ratings`);
  const start = performance.now();
  while (performance.now() - start < 6500) curl('ratings-v-delayed:9080/ratings/0');
}

async function checkLoad(): Promise<void> {
  up('', { COMPOSE_PROFILES: 'load', LOAD_INTERVAL_SECONDS: '0.1' });
  const views = async () =>
    Number(
      /^http_server_request_duration_seconds_count\{[^}]*"\/productpage"[^}]*\} (\d+)/m.exec(
        await get(`${PAGE}/metrics`),
      )?.[1],
    );
  const before = await views();
  await eventually(async () => ok((await views()) > before + 5));
}

interface Database {
  /** Also the profile's name. */
  profile: string;
  server: string;
  ratings: string;
  /** Makes the first rating 1, in the server's own shell. */
  change: string[];
}
const DATABASES: Database[] = [
  {
    profile: 'mysql',
    server: 'mysqldb',
    ratings: 'ratings-v2-mysql',
    change: ['mariadb', '-uroot', '-ppassword', '-e', 'UPDATE test.ratings SET Rating = 1 WHERE ReviewID = 1'],
  },
  {
    profile: 'mongodb',
    server: 'mongodb',
    ratings: 'ratings-v2',
    change: [
      ...['mongosh', '--quiet', '--host', 'mongodb', '--eval'],
      "db.getSiblingDB('test').getCollection('ratings').updateOne({ _id: 1 }, { $set: { rating: 1 } })",
    ],
  },
];

async function checkDatabase({ profile, server, ratings, change }: Database): Promise<void> {
  const env = { COMPOSE_PROFILES: profile, RATINGS_HOSTNAME: ratings };
  const read = () => curl(`${ratings}:9080/ratings/0`);
  const answers = (first: number) => equal(read(), `{"id":0,"ratings":{"Reviewer1":${first},"Reviewer2":4}} 200`);

  await check(`${profile}: the seed is read, and ratings are read-only`, async () => {
    up('', env);
    answers(5);
    match(curl(`${ratings}:9080/ratings/0`, '--json', '{"Reviewer1":1}'), / 501$/);
    await eventually(async () => equal((await page()).match(/glyphicon-star/g)?.length, 9));
  });
  await check(`${profile}: a killed server is an error, its return is enough`, async () => {
    docker(['compose', 'exec', server, ...change]);
    compose(`kill ${server}`);
    match(read(), / 500$/);
    compose(`start ${server}`);
    await eventually(() => answers(1));
  });
  await check(`${profile}: the data outlives down and up`, () => {
    down();
    up('', env);
    answers(1);
  });
  await check(`${profile}: the server may start after ratings`, async () => {
    down();
    up(`--no-deps ratings-v1 ${ratings}`, env);
    match(read(), / 500$/);
    up(server, env);
    await eventually(() => answers(1));
  });
  down('--volumes');
}

async function checkJaeger(): Promise<void> {
  await eventually(async () => {
    await page();
    const { data } = JSON.parse(await get(`${JAEGER}/api/traces?service=productpage&limit=50`)) as {
      data: { processes: Record<string, { serviceName: string }> }[];
    };
    const traces = data.map(({ processes }) => new Set(Object.values(processes).map(({ serviceName }) => serviceName)));
    ok(
      traces.some((names) => SERVICES.every((name) => names.has(name))),
      'no trace spans the four services',
    );
  });
}

async function checkPrometheus(): Promise<void> {
  const query = encodeURIComponent('count by (app, version) (http_server_request_duration_seconds_count)');
  await eventually(async () => {
    const { data } = JSON.parse(await get(`${PROMETHEUS}/api/v1/query?query=${query}`)) as {
      data: { result: { metric: { app: string; version: string } }[] };
    };
    equal(
      data.result
        .map(({ metric: { app, version } }) => `${app}-${version}`)
        .sort()
        .join(),
      'details-v1,productpage-v1,ratings-v1,reviews-v1,reviews-v2,reviews-v3',
    );
  });
}

async function checkGrafana(): Promise<void> {
  const found = JSON.parse(await get(`${GRAFANA}/api/search?type=dash-db`)) as { uid: string }[];
  equal(
    found
      .map(({ uid }) => uid)
      .sort()
      .join(),
    'bookinfo-runtime,bookinfo-services',
  );
}

async function checkStop(): Promise<void> {
  up('');
  compose('stop');
  const lines = compose('ps --all --format {{.Service}}:{{.ExitCode}}').trim().split('\n');
  equal(lines.filter((line) => !line.endsWith(':0')).join(), '');
}

// --- all of it

try {
  await check('the images are built', () => void docker(['buildx', 'bake', ...process.argv.slice(2)]));
  for (const service of SERVICES)
    await check(`the image of ${service} has what it needs, and no more`, () => checkImage(service));
  await check('the images are small', checkSizes);
  await check('up is the whole page, with each version of reviews', checkDefault);
  await check('a stop is clean', checkStop);
  await check('profile lab-faults', checkFaults);
  await check('profile load', checkLoad);
  down();
  for (const database of DATABASES) {
    if (isAvailable(database.server)) await checkDatabase(database);
    else skip(`profile ${database.profile}: no image ${imageOf(database.server)}`);
  }
  for (const [service, checkIt] of Object.entries({
    jaeger: checkJaeger,
    prometheus: checkPrometheus,
    grafana: checkGrafana,
  })) {
    if (isAvailable(service)) {
      await check(`profile observability: ${service}`, async () => {
        up(`productpage-v1 ${service}`, { COMPOSE_PROFILES: 'observability' });
        await checkIt();
      });
    } else skip(`profile observability: no image ${imageOf(service)}`);
  }
} finally {
  tryDocker(['compose', 'down', '--volumes'], { COMPOSE_PROFILES: '*' });
}
console.log(`\n${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
process.exitCode = counts.failed > 0 ? 1 : 0;
