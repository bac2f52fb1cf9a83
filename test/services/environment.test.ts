import { describe, expect, test } from 'vitest';
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
