import { describe, expect, test } from 'vitest';
import { backendSpecs, chassisSpecs, flag, readEnvironment } from '../src/index.ts';

const read = (env: NodeJS.ProcessEnv) => readEnvironment(env, { ...chassisSpecs, ...backendSpecs('RATINGS') });

describe('the environment', () => {
  test('has a default for everything', () => {
    expect(read({})).toMatchObject({
      PORT: 9080,
      LISTEN_ADDRESS: '::',
      SERVICE_VERSION: 'v1',
      LOG_LEVEL: 'info',
      LOG_FORMAT: 'json',
      SHUTDOWN_DELAY_SECONDS: 0,
      SHUTDOWN_TIMEOUT_SECONDS: 20,
      RATINGS_HOSTNAME: 'ratings',
      RATINGS_SERVICE_PORT: 9080,
      SERVICES_DOMAIN: '',
    });
  });

  test('counts an empty variable as unset', () => {
    expect(read({ PORT: '', RATINGS_HOSTNAME: '' })).toMatchObject({ PORT: 9080, RATINGS_HOSTNAME: 'ratings' });
  });

  test('takes the port that Kubernetes injects and never RATINGS_PORT', () => {
    const config = read({ RATINGS_SERVICE_PORT: '9081', RATINGS_PORT: 'tcp://10.0.0.1:9082' });
    expect(config.RATINGS_SERVICE_PORT).toBe(9081);
    expect('RATINGS_PORT' in config).toBe(false);
  });

  test.each(['ratings', 'ratings.bookinfo.svc.cluster.local', 'ratings_1', '127.0.0.1', '[::1]'])(
    'takes %s for a host',
    (name) => {
      expect(read({ RATINGS_HOSTNAME: name })).toMatchObject({ RATINGS_HOSTNAME: name });
    },
  );

  test('becomes a frozen object, with what is derived from it', () => {
    const config = readEnvironment({ PORT: '1' }, chassisSpecs, ({ PORT }) => ({ NEXT_PORT: PORT + 1 }));
    expect(config).toMatchObject({ PORT: 1, NEXT_PORT: 2 });
    expect(Object.isFrozen(config)).toBe(true);
  });

  test.each([
    ['true', true],
    ['True', true],
    ['TRUE', true],
    ['t', true],
    ['yes', true],
    ['Y', true],
    ['on', true],
    ['1', true],
    ['false', false],
    ['False', false],
    ['f', false],
    ['NO', false],
    ['n', false],
    ['off', false],
    ['0', false],
    ['', false],
  ])('takes %j for %j, as whatever wrote it may spell it', (FLAG, value) => {
    expect(readEnvironment({ FLAG }, { FLAG: flag() })).toMatchObject({ FLAG: value });
  });

  test.each(['2', 'ja', 'truely', 'true;'])('does not take %j for a boolean', (FLAG) => {
    expect(() => readEnvironment({ FLAG }, { FLAG: flag() })).toThrow(`FLAG is "${FLAG}": expected true or false`);
  });

  test('throws when code asks for a variable that it does not know', () => {
    expect(() => (read({}) as unknown as { PROT: number }).PROT).toThrow('PROT');
  });

  test.each([
    ['PORT', 'eighty', 'a TCP port'],
    ['PORT', '70000', 'a TCP port'],
    ['PORT', '-1', 'a TCP port'],
    ['PORT', '9080.5', 'a TCP port'],
    ['PORT', '9080abc', 'a TCP port'],
    ['PORT', '1e3', 'a TCP port'],
    ['LOG_LEVEL', 'loud', 'one of trace, debug, info, warn, error, fatal, silent'],
    ['LOG_FORMAT', 'xml', 'one of json, pretty'],
    ['RATINGS_SERVICE_PORT', 'tcp://10.0.0.1:9080', 'a TCP port'],
    ['RATINGS_HOSTNAME', 'http://ratings', 'a host name'],
    ['RATINGS_HOSTNAME', 'a b', 'a host name'],
    ['RATINGS_HOSTNAME', '::1', 'a host name or address, IPv6 in brackets'],
    ['SERVICES_DOMAIN', 'a/b', 'a DNS domain'],
    ['SHUTDOWN_TIMEOUT_SECONDS', '0', 'a whole number of seconds, 1 or more'],
    ['SERVICE_VERSION', 'v1\r\nx: y', 'a version label'],
    ['SERVICE_VERSION', '버전', 'a version label'],
    ['HOSTNAME', 'a\nb', 'the name of the pod or host'],
  ])('with %s=%j is refused in one line that says what is allowed', (name, value, allowed) => {
    const refused = () => read({ [name]: value });
    expect(refused).toThrow(`${name} is ${JSON.stringify(value)}: expected ${allowed}`);
    expect(refused).toThrow(/^[^\n]*$/);
  });

  test('is refused with one line for each wrong variable', () => {
    expect(() => read({ PORT: 'x', LOG_LEVEL: 'y' })).toThrow(/^PORT is .*\nLOG_LEVEL is .*$/);
  });
});
