import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { describe, expect, test } from 'vitest';
import { SERVICES } from '../../local/workloads.ts';
import { useService } from '../support/service.ts';
import { KNOWN } from './known.ts';

describe.each(SERVICES)('%s', (name) => {
  const service = useService(name, () => ({ SERVICE_VERSION: 'v9', HOSTNAME: `${name}-v9-abc` }));

  test('says on /health that it is healthy', async () => {
    const { status, text } = await service.request('/health');
    expect([status, text]).toEqual([200, KNOWN[name].health]);
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

  test.each(['POST', 'PUT', 'PATCH', 'DELETE'] as const)('answers %s /health with 405 and Allow', async (method) => {
    const { status, headers, json } = await service.request('/health', { method });
    expect([status, headers.allow]).toEqual([405, 'GET, HEAD, OPTIONS']);
    expect(json).toEqual({ error: 'Method not allowed', requestId: headers['x-request-id'] });
  });

  test('answers OPTIONS of every route with 200 and Allow', async () => {
    for (const [path, allow] of Object.entries({
      ...KNOWN[name].routes,
      '/health': 'GET, HEAD',
      '/metrics': 'GET, HEAD',
    })) {
      const { status, headers, text } = await service.request(path, { method: 'OPTIONS' });
      expect([path, status, headers.allow, text]).toEqual([path, 200, `${allow}, OPTIONS`, '']);
    }
    expect(await service.request('/nowhere', { method: 'OPTIONS' })).toMatchObject({ status: 404 });
  });

  test('answers HEAD as GET, without a body', async () => {
    expect(await service.request('/health', { method: 'HEAD' })).toMatchObject({ status: 200, text: '' });
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
