import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { backendAt } from '../../local/bookinfo.ts';
import { SERVICES } from '../../local/workloads.ts';
import { type Env, start } from '../support/service.ts';
import { openStub } from '../support/stub.ts';

/** What a service says on its way out when it does not start. */
async function refusal(service: (typeof SERVICES)[number], env: Env): Promise<string> {
  try {
    await using started = await start(service, env);
    return `started on ${started.port}`;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

describe('a service with a wrong environment says so in one line and exits with 1', () => {
  test.concurrent.each([
    ['productpage', { PORT: 'eighty' }, 'PORT is "eighty": expected a TCP port, 0 (any free one) to 65535'],
    ['productpage', { FLOOD_FACTOR: '-1' }, 'FLOOD_FACTOR is "-1": expected a whole number, 0 or more'],
    [
      'productpage',
      { JAEGER_UI_URL: 'javascript:alert(1)' },
      'JAEGER_UI_URL is "javascript:alert(1)": expected an http or https URL',
    ],
    [
      'productpage',
      { TRUSTED_PROXIES: '10.0.0.0/40' },
      'TRUSTED_PROXIES is "10.0.0.0/40": expected a list of IP addresses, networks such as 10.0.0.0/8, loopback, linklocal or uniquelocal',
    ],
    [
      'details',
      { ENABLE_EXTERNAL_BOOK_SERVICE: 'perhaps' },
      'ENABLE_EXTERNAL_BOOK_SERVICE is "perhaps": expected true or false',
    ],
    [
      'details',
      { EXTERNAL_BOOK_SERVICE_URL: 'ftp://books' },
      'EXTERNAL_BOOK_SERVICE_URL is "ftp://books": expected an http or https URL',
    ],
    ['reviews', { ENABLE_RATINGS: 'si' }, 'ENABLE_RATINGS is "si": expected true or false'],
    [
      'reviews',
      { STAR_COLOR: 'red;--' },
      'STAR_COLOR is "red;--": expected a colour name in lower case, such as black or red',
    ],
    [
      'details',
      { OTEL_TRACES_EXPORTER: 'otlp', OTEL_PROPAGATORS: 'jaeger' },
      'OTEL_PROPAGATORS is "jaeger": expected a list of tracecontext, baggage, b3, b3multi, none',
    ],
    [
      'details',
      { OTEL_EXPORTER_OTLP_ENDPOINT: '127.0.0.1:4318' },
      'OTEL_EXPORTER_OTLP_ENDPOINT is "127.0.0.1:4318": expected an http or https URL such as http://collector:4318',
    ],
    ['ratings', { DB_TYPE: 'oracle' }, 'DB_TYPE is "oracle": expected one of mongodb, mysql'],
    ['ratings', { FAULT_SECONDS: 'soon' }, 'FAULT_SECONDS is "soon": expected a whole number of seconds, 0 or more'],
    ['ratings', { SERVICE_VERSION: 'v2' }, 'MONGO_DB_URL is missing: SERVICE_VERSION v2 expects it, or DB_TYPE=mysql'],
    [
      'ratings',
      { MONGO_DB_URL: 'mongodb//user:secret@nowhere' },
      'MONGO_DB_URL is not usable: Invalid scheme, expected connection string to start with "mongodb://" or "mongodb+srv://"',
    ],
  ] as const)('%s with %o', async (service, env, line) => {
    expect(await refusal(service, env)).toBe(`${service} ended with 1:\n${line}`);
  });
});

test.each(SERVICES)('the configuration of %s is frozen', async (service) => {
  const { readConfig } = await import(`../../services/${service}/src/config.ts`);
  expect(Object.isFrozen(readConfig({}))).toBe(true);
});

describe('a service', () => {
  test.concurrent.each(SERVICES)('%s whose port is in use says so in one line and exits with 1', async (service) => {
    await using occupant = await openStub(() => {});
    const printed = await refusal(service, { PORT: String(occupant.port), LOG_LEVEL: 'error' });
    expect(printed).toBe(
      `${service} ended with 1:\nlisten EADDRINUSE: address already in use 127.0.0.1:${occupant.port}`,
    );
  });

  test('that cannot listen on an address says so in one line', async () => {
    expect(await refusal('details', { LISTEN_ADDRESS: '192.0.2.1' })).toMatch(
      /^details ended with 1:\nlisten EADDRNOTAVAIL: [^\n]*192\.0\.2\.1[^\n]*$/,
    );
  });
});

test.each(['True', 'TRUE', 'on', '1'])('ENABLE_RATINGS=%s is true', async (ENABLE_RATINGS) => {
  await using ratings = await openStub((response) => response.writeHead(503).end());
  await using reviews = await start('reviews', { ENABLE_RATINGS, ...backendAt('ratings', ratings.port) });
  await reviews.request('/reviews/0');
  expect(ratings.received).toHaveLength(1);
});

test('a collector that refuses the last spans does not make a stop fail', async () => {
  await using collector = await openStub((response) => response.writeHead(404).end());
  await using details = await start('details', {
    OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${collector.port}`,
    OTEL_NODE_ENABLED_INSTRUMENTATIONS: 'mongodb,',
    OTEL_BSP_SCHEDULE_DELAY: '600000',
  });
  await details.request('/details/0');
  details.kill('SIGTERM');
  expect(await details.exit).toBe(0);
});

const NO_IPV6 = `
  #define _GNU_SOURCE
  #include <dlfcn.h>
  #include <errno.h>
  #include <sys/socket.h>
  int socket(int domain, int type, int protocol) {
    if (domain == AF_INET6) { errno = EAFNOSUPPORT; return -1; }
    return ((int (*)(int, int, int))dlsym(RTLD_NEXT, "socket"))(domain, type, protocol);
  }`;
const hasCompiler = process.platform === 'linux' && spawnSync('gcc', ['--version']).status === 0;

test.skipIf(!hasCompiler)('on a host without IPv6 a service listens on IPv4 (needs gcc)', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'no-ipv6-'));
  const library = join(folder, 'no-ipv6.so');
  spawnSync('gcc', ['-shared', '-fPIC', '-x', 'c', '-o', library, '-', '-ldl'], { input: NO_IPV6 });
  await using details = await start('details', { LD_PRELOAD: library, LISTEN_ADDRESS: '::' });
  expect(await details.request('/details/0')).toMatchObject({ status: 200 });
  rmSync(folder, { recursive: true });
});
