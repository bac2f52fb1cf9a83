import { once } from 'node:events';
import { connect } from 'node:net';
import { Agent, request } from 'undici';
import { describe, expect, test, vi } from 'vitest';
import { backendAt } from '../../local/bookinfo.ts';
import { SERVICES } from '../../local/workloads.ts';
import { DETAILS, reviewsOf } from '../support/bodies.ts';
import { start } from '../support/service.ts';
import { answers, answersAfter, hangs, openStub } from '../support/stub.ts';

describe.concurrent('a service that is told to stop', () => {
  test.each(SERVICES)('%s exits with 0', async (name) => {
    const service = await start(name);
    service.kill('SIGTERM');
    expect(await service.exit).toBe(0);
  });

  test('exits with 0 on Ctrl-C too', async () => {
    const service = await start('details');
    service.kill('SIGINT');
    expect(await service.exit).toBe(0);
  });

  test('still answers the requests in flight, backends included, and then exits with 0', async () => {
    await using details = await openStub(answersAfter(1500, DETAILS));
    await using reviews = await openStub(answers(reviewsOf('reviews-v1-abc')));
    const productpage = await start('productpage', {
      ...backendAt('details', details.port),
      ...backendAt('reviews', reviews.port),
    });
    // Keeps its connection, as browsers and proxies do.
    const client = new Agent({ keepAliveTimeout: 60_000 });
    const page = request(`http://127.0.0.1:${productpage.port}/productpage`, { dispatcher: client });
    await vi.waitFor(() => expect(details.received).toHaveLength(1));
    productpage.kill('SIGTERM');
    const { statusCode, body } = await page;
    expect(statusCode).toBe(200);
    expect(await body.text()).toContain('PublisherA');
    expect(await productpage.exit).toBe(0);
    await client.close();
  });

  test('does not wait for a client that has connected and says nothing', async () => {
    const service = await start('details');
    const silent = connect(service.port, '127.0.0.1');
    await once(silent, 'connect');
    service.kill('SIGTERM');
    expect(await service.exit).toBe(0);
    silent.destroy();
  });

  test('takes no new connection once the open ones have had their time, whatever is still in flight', async () => {
    await using reviews = await openStub(hangs);
    const productpage = await start('productpage', backendAt('reviews', reviews.port));
    // Two tries of 3 s.
    const inFlight = productpage.request('/api/v1/products/0/reviews');
    await vi.waitFor(() => expect(reviews.received).toHaveLength(1));
    productpage.kill('SIGTERM');
    expect(await productpage.request('/health/live')).toMatchObject({ status: 200, headers: { connection: 'close' } });
    await vi.waitFor(() => expect(productpage.request('/health/live')).rejects.toThrow('ECONNREFUSED'), 8000);
    expect(await inFlight).toMatchObject({ status: 500 });
    expect(await productpage.exit).toBe(0);
  });

  test('is not ready, but answers, for SHUTDOWN_DELAY_SECONDS', async () => {
    const service = await start('details', { SHUTDOWN_DELAY_SECONDS: '3' });
    service.kill('SIGTERM');
    await vi.waitFor(async () =>
      expect(await service.request('/health/ready')).toMatchObject({ status: 503, json: { status: 'shutting down' } }),
    );
    expect(await service.request('/details/0')).toMatchObject({ status: 200 });
    expect(await service.request('/health/live')).toMatchObject({ status: 200 });
    expect(await service.exit).toBe(0);
  });

  test('is given the whole of SHUTDOWN_TIMEOUT_SECONDS after the delay', async () => {
    const service = await start('details', { SHUTDOWN_DELAY_SECONDS: '2', SHUTDOWN_TIMEOUT_SECONDS: '1' });
    service.kill('SIGTERM');
    expect(await service.exit).toBe(0);
  });

  test('exits with 1 when requests in flight take longer than SHUTDOWN_TIMEOUT_SECONDS', async () => {
    await using details = await openStub(() => {});
    const productpage = await start('productpage', {
      ...backendAt('details', details.port),
      SHUTDOWN_TIMEOUT_SECONDS: '1',
    });
    const inFlight = productpage.request('/api/v1/products/0').catch(() => 'cut off');
    await vi.waitFor(() => expect(details.received).toHaveLength(1));
    productpage.kill('SIGTERM');
    expect(await productpage.exit).toBe(1);
    expect(await inFlight).toBe('cut off');
  });

  test('exits at once on the second signal', async () => {
    const service = await start('details', { SHUTDOWN_DELAY_SECONDS: '3600' });
    service.kill('SIGTERM');
    await vi.waitFor(async () => expect((await service.request('/health/ready')).status).toBe(503));
    service.kill('SIGTERM');
    expect(await service.exit).toBe(1);
  });
});
