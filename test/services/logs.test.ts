import { describe, expect, test, vi } from 'vitest';
import { backendAt } from '../../local/bookinfo.ts';
import { freePort } from '../../local/free-port.ts';
import { cookieOf, form } from '../support/http.ts';
import { start, useService } from '../support/service.ts';

const TRACE_ID = '0af7651916cd43dd8448eb211c80319c';

describe('the log', () => {
  const details = useService('details', () => ({ HOSTNAME: 'details-v1-abc' }));
  const linesOf = (requestId: string) =>
    details.lines.map((line) => JSON.parse(line)).filter((line) => line.request_id === requestId);

  test('has one JSON line for each request', async () => {
    await details.request('/details/7?token=secret', {
      headers: { 'x-request-id': 'log-1', traceparent: `00-${TRACE_ID}-b7ad6b7169203331-01` },
    });
    await vi.waitFor(() => expect(linesOf('log-1')).toHaveLength(1));
    expect(linesOf('log-1')[0]).toMatchObject({
      level: 'info',
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
      service: 'details',
      version: 'v1',
      pod: 'details-v1-abc',
      request_id: 'log-1',
      trace_id: TRACE_ID,
      method: 'GET',
      path: '/details/7',
      route: '/details/{productId}',
      status: 200,
      duration_ms: expect.any(Number),
    });
  });

  test.each([
    ['/nowhere', 404],
    ['/details/x', 400],
  ])('has one line for a failed request too: %s', async (path, status) => {
    const requestId = `log-${status}`;
    await details.request(path, { headers: { 'x-request-id': requestId } });
    await vi.waitFor(() => expect(linesOf(requestId)).toMatchObject([{ path, status }]));
  });

  test.each([
    ['details', undefined],
    ['details:9080', undefined],
    ['details-shadow.example', undefined],
    ['details-shadow', true],
    ['details-shadow:9080', true],
    ['details.default.svc.cluster.local-shadow', true],
  ])('tells a mirrored request by its host: %s', async (host, mirrored) => {
    const requestId = `log-host-${host}`;
    await details.request('/details/0', { headers: { 'x-request-id': requestId, host } });
    await vi.waitFor(() => expect(linesOf(requestId)).toHaveLength(1));
    expect(linesOf(requestId)[0].mirrored).toBe(mirrored);
  });

  test('leaves out probes and scrapes', async () => {
    for (const path of ['/health', '/health/live', '/health/ready', '/metrics']) {
      await details.request(path, { headers: { 'x-request-id': 'log-probe' } });
    }
    await details.request('/details/0', { headers: { 'x-request-id': 'log-after-probes' } });
    await vi.waitFor(() => expect(linesOf('log-after-probes')).toHaveLength(1));
    expect(linesOf('log-probe')).toEqual([]);
  });

  test('is not made long by a long path', async () => {
    const path = `/${'a'.repeat(15_000)}`;
    await details.request(path, { headers: { 'x-request-id': 'log-long' } });
    await vi.waitFor(() => expect(linesOf('log-long')).toHaveLength(1));
    const cut = `${path.slice(0, 256)}…`;
    expect(linesOf('log-long')[0]).toMatchObject({ path: cut, msg: `GET ${cut} 404` });
    expect(Math.max(...details.lines.map((line) => line.length))).toBeLessThan(1000);
  });

  test('cannot be forged with a line break in a path or a header', async () => {
    await details.request('/details/0%0A%7B%22level%22:%22fatal%22%7D', { headers: { 'x-request-id': 'log-forged' } });
    await vi.waitFor(() => expect(linesOf('log-forged')).toHaveLength(1));
    for (const line of details.lines) expect(JSON.parse(line).level).not.toBe('fatal');
  });
});

test('a verbose log has no cookie, password, token or query string in it, not even when backends fail', async () => {
  const port = await freePort();
  await using productpage = await start('productpage', {
    LOG_LEVEL: 'trace',
    SESSION_SECRET: 'secret-of-session',
    ...backendAt('details', port),
    ...backendAt('reviews', port),
  });
  const signIn = await productpage.request('/login', form({ username: 'jason', passwd: 'secret-password' }));
  const cookie = cookieOf(signIn);
  await productpage.request('/productpage?q=secret-query', {
    headers: {
      cookie: `${cookie}; other=secret-cookie`,
      authorization: 'Bearer secret-token',
      jwt: 'secret-jwt',
      'x-request-id': 'log-secrets',
    },
  });
  await vi.waitFor(() =>
    expect(
      productpage.lines.some((line) => line.includes('"request_id":"log-secrets"') && line.includes('"status":200')),
    ).toBe(true),
  );
  const log = productpage.lines.join('\n');
  expect(log).not.toMatch(/secret-/);
  expect(log).not.toContain(cookie.split('=')[1]);
});

test('a backend that fails is one line in the log, under the request that met it', async () => {
  await using reviews = await start('reviews', { ENABLE_RATINGS: 'true', ...backendAt('ratings', await freePort()) });
  await reviews.request('/reviews/0', { headers: { 'x-request-id': 'log-backend' } });
  const failures = () => reviews.lines.map((line) => JSON.parse(line)).filter(({ level }) => level === 'warn');
  await vi.waitFor(() => expect(failures()).toHaveLength(1));
  expect(failures()[0]).toMatchObject({
    request_id: 'log-backend',
    backend: 'ratings',
    status: 500,
    tries: 1,
    msg: expect.stringMatching(/^ratings connect ECONNREFUSED/),
  });
});

test('a log for people is one readable line for each request', async () => {
  await using details = await start('details', { LOG_FORMAT: 'pretty' });
  await details.request('/details/0', { headers: { 'x-request-id': 'log-pretty' } });
  await vi.waitFor(() => expect(details.lines.filter((l) => l.includes('GET /details/0 200'))).toHaveLength(1));
});
