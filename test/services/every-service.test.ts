import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { describe, expect, test } from 'vitest';
import { SERVICES } from '../../local/workloads.ts';
import { raw } from '../support/http.ts';
import { useService } from '../support/service.ts';

const HEALTH = {
  productpage: 'Product page is healthy',
  details: '{"status":"Details is healthy"}',
  reviews: '{"status":"Reviews is healthy"}',
  ratings: '{"status":"Ratings is healthy"}',
};

describe.each(SERVICES)('%s', (name) => {
  const service = useService(name, () => ({ SERVICE_VERSION: 'v9', HOSTNAME: `${name}-v9-abc` }));

  test('says on /health that it is healthy', async () => {
    const { status, text } = await service.request('/health');
    expect([status, text]).toEqual([200, HEALTH[name]]);
  });

  test('has a liveness and a readiness probe', async () => {
    expect(await service.request('/health/live')).toMatchObject({ status: 200, json: { status: 'live' } });
    expect(await service.request('/health/ready')).toMatchObject({ status: 200, json: { status: 'ready' } });
  });

  test('names its version, its pod and the request in every answer', async () => {
    const { headers } = await service.request('/health', { headers: { 'x-request-id': 'abc-1' } });
    expect(headers).toMatchObject({
      'x-service-version': 'v9',
      'x-pod-name': `${name}-v9-abc`,
      'x-request-id': 'abc-1',
    });
  });

  test.each([
    '/nowhere',
    '/health/',
    '/details',
    '/%00',
    '/..%2f..%2fetc%2fpasswd',
    '/__proto__',
    '//',
    '/a?b=/health',
  ])('answers the unknown route %s with 404 in JSON', async (path) => {
    const { status, json, headers } = await service.request(path, { headers: { 'x-request-id': 'abc-2' } });
    expect(status).toBe(404);
    expect(json).toEqual({ error: 'Not found', requestId: 'abc-2' });
    expect(headers['content-type']).toMatch('application/json');
  });

  test.each(['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] as const)('answers %s /health with 404', async (method) => {
    expect(await service.request('/health', { method })).toMatchObject({ status: 404, json: { error: 'Not found' } });
  });

  test('answers HEAD as GET, without a body', async () => {
    expect(await service.request('/health', { method: 'HEAD' })).toMatchObject({ status: 200, text: '' });
  });

  test('answers a path that is not valid in an URL with 400', async () => {
    const { status, json } = await service.request('/%E0%A4%A');
    expect(status).toBe(400);
    expect(json).toMatchObject({ error: expect.any(String) });
  });

  test.each([
    ['what is no HTTP', 'hello\r\n\r\n', 400],
    ['a header that is none', 'GET /health HTTP/1.1\r\nhost: a\r\nbad header\r\n\r\n', 400],
    ['two lengths of one body', 'POST /a HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab', 400],
    ['too long a header', `GET /health HTTP/1.1\r\nhost: a\r\nx: ${'y'.repeat(17_000)}\r\n\r\n`, 431],
  ])('answers %s with a client error in JSON', async (_what, bytes, status) => {
    const answer = await raw(service.port, bytes);
    expect(answer).toMatch(`HTTP/1.1 ${status}`);
    expect(JSON.parse(answer.split('\r\n\r\n')[1] ?? '')).toMatchObject({ error: expect.any(String) });
  });

  test('shows no stack trace and no file name in an error', async () => {
    const bodies = await Promise.all(
      ['/%E0%A4%A', '/nowhere', '/details/x', '/ratings/x', '/reviews/x', '/api/v1/products/x'].map((path) =>
        service.request(path),
      ),
    );
    for (const { text } of bodies) expect(text).not.toMatch(/\bat |\.ts|node_modules/);
  });

  test('closes a connection whose client hangs up in the middle of a request, and goes on', async () => {
    const socket = connect(service.port, '127.0.0.1');
    socket.write('POST /login HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\nhalf');
    socket.end();
    await text(socket).catch(() => '');
    expect(await service.request('/health')).toMatchObject({ status: 200 });
  });
});

describe('a service on every address of the host', () => {
  const service = useService('details', () => ({ LISTEN_ADDRESS: '::' }));

  test('is reached over IPv4 and IPv6', async () => {
    for (const host of ['127.0.0.1', '[::1]']) {
      const answer = await fetch(`http://${host}:${service.port}/health`);
      expect(answer.status).toBe(200);
    }
  });
});
