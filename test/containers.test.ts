/**
 * Builds the images, looks at what is in them, and runs docker-compose.yml with all its profiles in a real engine,
 * under a project name and ports of its own. Needs Docker Engine 25 with Compose 2.24 and Buildx. A part whose image can
 * neither be found nor pulled is skipped.
 */

import { spawnSync } from 'node:child_process';
import { Agent, request } from 'undici';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { SERVICES } from '../local/workloads.ts';
import { ROOT } from './manifests/load.ts';

const MAX_MB_ABOVE_BASE = 24;

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

const missing = ['info', 'compose version', 'buildx version'].find((args) => tryDocker(args.split(' ')).status !== 0);

beforeEach(({ skip }) => {
  if (missing) skip(`\`docker ${missing}\` fails`);
});

afterAll(() => {
  if (!missing) tryDocker(['compose', 'down', '--volumes'], { COMPOSE_PROFILES: '*' });
});

interface ComposeService {
  image: string;
}

function imageOf(service: string): string {
  const config = compose('config --format json', { COMPOSE_PROFILES: '*' });
  const { services } = JSON.parse(config) as { services: Record<string, ComposeService> };
  const image = services[service]?.image;
  if (!image) throw new Error(`no service ${service}`);
  return image;
}

/** Why a service cannot run here, if its image can neither be found nor pulled. */
function unavailable(service: string): string | undefined {
  const image = imageOf(service);
  const found =
    tryDocker(['image', 'inspect', image]).status === 0 || tryDocker(['pull', '--quiet', image]).status === 0;
  return found ? undefined : `no image ${image}`;
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
const starsOf = (html: string): number => html.match(/glyphicon-star/g)?.length ?? 0;

/** A request from inside, as the course makes it: `status body`. */
const curl = (path: string, ...options: string[]) =>
  docker(['compose', 'exec', 'ratings-v1', 'curl', '-sS', '-w', ' %{http_code}', ...options, `http://${path}`]);

// --- what is checked

test('the images are built', () => {
  docker(['buildx', 'bake', ...(process.env.BAKE_OPTIONS?.split(' ') ?? [])]);
});

test.for(SERVICES)('the image of %s has what it needs, and no more', (service) => {
  const image = imageOf(`${service}-v1`);
  const { Config } = inspect(image);
  expect(Config).toMatchObject({
    User: '1000:1000',
    Cmd: ['node', '--import', './dist/register.js', 'dist/server.js'],
    Healthcheck: expect.anything(),
    Labels: { 'org.opencontainers.image.title': `bookinfo-ts/${service}` },
  });
  const find =
    'for name in node npm npx pnpm yarn corepack curl; do command -v $name >/dev/null && echo $name; done; true';
  const programs = docker(['run', '--rm', '--network', 'none', '--entrypoint', 'sh', image, '-c', find]);
  expect(programs.trim().split('\n')).toEqual(service === 'ratings' ? ['node', 'curl'] : ['node']);
});

test('the images are small', ({ annotate }) => {
  const base = inspect(process.env.NODE_IMAGE ?? /^NODE_IMAGE=(.+)$/m.exec(compose('config --environment'))?.[1] ?? '');
  const images = SERVICES.map((service) => ({ service, ...inspect(imageOf(`${service}-v1`)) }));
  for (const { service, Size } of images) {
    const above = (Size - base.Size) / 1e6;
    annotate(`${service}: ${(Size / 1e6).toFixed(1)} MB, ${above.toFixed(1)} MB above its base`);
    expect.soft(above, service).toBeLessThanOrEqual(MAX_MB_ABOVE_BASE);
  }
});

test('up is the whole page, with each version of reviews', async () => {
  up('');
  expect(await page()).toContain('<title>Simple Bookstore App</title>');
  const seen: Record<string, number> = {};
  const look = async () => {
    const html = await page();
    const version = /reviews-(v[123])/.exec(html)?.[1] ?? 'none';
    seen[version] = starsOf(html);
    return seen;
  };
  await expect.poll(look).toEqual({ v1: 0, v2: 9, v3: 9 });
  expect(curl('productpage:9080/productpage')).toContain('<title>Simple Bookstore App</title>');
});

test('a stop is clean', () => {
  up('');
  compose('stop');
  const lines = compose('ps --all --format {{.Service}}:{{.ExitCode}}').trim().split('\n');
  expect(lines.length).toBeGreaterThanOrEqual(6);
  expect(lines.filter((line) => !line.endsWith(':0'))).toEqual([]);
});

test('profile lab-faults: ratings-v-faulty fails some pages, ratings-v-delayed answers some requests after 7 s', async () => {
  up('', { COMPOSE_PROFILES: 'lab-faults', RATINGS_HOSTNAME: 'ratings-v-faulty' });
  const pages = await Promise.all(Array.from({ length: 40 }, page));
  const failures = pages.filter((html) => html.includes('Ratings service is currently unavailable')).length;
  expect(failures).toBeGreaterThan(0);
  expect(failures).toBeLessThan(pages.length);
  // Of 12 fair coins, all fall the same way once in two thousand runs.
  const seconds = Array.from({ length: 12 }, () =>
    Number(curl('ratings-v-delayed:9080/ratings/0', '-o', '/dev/null', '-w', '%{time_total}')),
  );
  expect(Math.min(...seconds), 'the fastest of 12').toBeLessThan(3);
  expect(Math.max(...seconds), 'the slowest of 12').toBeGreaterThan(6.5);
});

test('profile load: pages are viewed without end', async () => {
  up('', { COMPOSE_PROFILES: 'load', LOAD_INTERVAL_SECONDS: '0.1' });
  const count = /^http_server_request_duration_seconds_count\{[^}]*"\/productpage"[^}]*\} (\d+)/m;
  const views = async () => Number(count.exec(await get(`${PAGE}/metrics`))?.[1] ?? 0);
  const before = await views();
  await expect.poll(views).toBeGreaterThan(before + 5);
  down();
});

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

describe.for(DATABASES)('profile $profile', ({ profile, server, ratings, change }) => {
  const env = { COMPOSE_PROFILES: profile, RATINGS_HOSTNAME: ratings };
  const read = () => curl(`${ratings}:9080/ratings/0`);
  const rated = (first: number) => `{"id":0,"ratings":{"Reviewer1":${first},"Reviewer2":4}} 200`;

  beforeEach(({ skip }) => {
    const reason = unavailable(server);
    if (reason) skip(reason);
    up('', env);
  });
  afterAll(() => {
    if (!missing) down('--volumes');
  });

  test('the seed is read, and ratings are read-only', async () => {
    expect(read()).toBe(rated(5));
    expect(curl(`${ratings}:9080/ratings/0`, '--json', '{"Reviewer1":1}')).toMatch(/ 501$/);
    await expect.poll(async () => starsOf(await page())).toBe(9);
  });

  test('a killed server is an error, its return is enough; the data outlives down and up', async () => {
    docker(['compose', 'exec', server, ...change]);
    compose(`kill ${server}`);
    expect(read()).toMatch(/ 500$/);
    compose(`start ${server}`);
    await expect.poll(read).toBe(rated(1));
    down();
    up('', env);
    expect(read()).toBe(rated(1));
  });

  test('the server may start after ratings', async () => {
    const before = read();
    down();
    up(`--no-deps ratings-v1 ${ratings}`, env);
    expect(read()).toMatch(/ 500$/);
    up(server, env);
    await expect.poll(read).toBe(before);
  });
});

test('profile observability: Jaeger has a trace of all four services', async ({ skip }) => {
  startObserver('jaeger', skip);
  const traces = async () => {
    await page();
    const { data } = JSON.parse(await get(`${JAEGER}/api/traces?service=productpage&limit=50`)) as {
      data: { processes: Record<string, { serviceName: string }> }[];
    };
    return data.map(({ processes }) => [...new Set(Object.values(processes).map((one) => one.serviceName))].sort());
  };
  await expect.poll(traces).toContainEqual(['details', 'productpage', 'ratings', 'reviews']);
});

test('profile observability: Prometheus has the metrics of every version', async ({ skip }) => {
  startObserver('prometheus', skip);
  const query = encodeURIComponent('count by (app, version) (http_server_request_duration_seconds_count)');
  const versions = async () => {
    const { data } = JSON.parse(await get(`${PROMETHEUS}/api/v1/query?query=${query}`)) as {
      data: { result: { metric: { app: string; version: string } }[] };
    };
    return data.result.map(({ metric: { app, version } }) => `${app}-${version}`).sort();
  };
  await expect
    .poll(versions)
    .toEqual(['details-v1', 'productpage-v1', 'ratings-v1', 'reviews-v1', 'reviews-v2', 'reviews-v3']);
});

test('profile observability: Grafana has the dashboards', async ({ skip }) => {
  startObserver('grafana', skip);
  const found = JSON.parse(await get(`${GRAFANA}/api/search?type=dash-db`)) as { uid: string }[];
  expect(found.map(({ uid }) => uid).sort()).toEqual(['bookinfo-runtime', 'bookinfo-services']);
});

function startObserver(service: string, skip: (reason: string) => never): void {
  const reason = unavailable(service);
  if (reason) skip(reason);
  up(`productpage-v1 ${service}`, { COMPOSE_PROFILES: 'observability' });
}
