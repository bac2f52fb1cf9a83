import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { backendAt } from '../../local/bookinfo.ts';
import { freePort } from '../../local/free-port.ts';
import { SERVICES, type Service } from '../../local/workloads.ts';
import { start, type TestedService } from '../support/service.ts';
import { KNOWN } from './known.ts';

/** What each answers alone. */
const ROUTE = (service: Service) => (service === 'productpage' ? '/api/v1/products' : KNOWN[service].route);
const CONNECTIONS = 40;
/** How often each service is stopped; STOPS=20 is what a release is measured with. */
const STOPS = Number(process.env.STOPS ?? 2);

/** A client that keeps its connection and asks again and again, until an answer says that the server wants to close. */
async function keepAsking(service: TestedService, path: string, tally: { sent: number; lost: number }): Promise<void> {
  const socket = connect(service.port, '127.0.0.1').on('error', () => {});
  let received = '';
  let changed = Promise.withResolvers<void>();
  const wake = () => {
    changed.resolve();
    changed = Promise.withResolvers();
  };
  socket.on('data', (data) => {
    received += data;
    wake();
  });
  socket.on('close', wake);
  await once(socket, 'connect');
  while (!socket.destroyed) {
    received = '';
    tally.sent++;
    socket.write(`GET ${path} HTTP/1.1\r\nhost: a\r\n\r\n`);
    while (!isWhole(received) && !socket.destroyed) await changed.promise;
    if (!isWhole(received)) {
      tally.lost++;
      return;
    }
    if (/^connection: close/im.test(received)) break;
    await sleep(Math.random() * 20);
  }
  socket.destroy();
}

function isWhole(answer: string): boolean {
  const [head = '', body] = answer.split('\r\n\r\n');
  return body !== undefined && Buffer.byteLength(body) === Number(/^content-length: (\d+)/im.exec(head)?.[1]);
}

describe.each(SERVICES)('%s', { timeout: 60_000 + STOPS * 10_000 }, (name) => {
  test(`loses no request of ${CONNECTIONS} busy connections when it is stopped`, async () => {
    const tally = { sent: 0, lost: 0 };
    for (let stop = 0; stop < STOPS; stop++) {
      const service = await start(name, backendAt('ratings', await freePort()));
      const clients = Array.from({ length: CONNECTIONS }, () => keepAsking(service, ROUTE(name), tally));
      await sleep(500);
      service.kill('SIGTERM');
      await Promise.all(clients);
      expect(await service.exit).toBe(0);
    }
    expect(tally.sent).toBeGreaterThan(STOPS * CONNECTIONS);
    expect(tally.lost).toBe(0);
  });
});

describe.concurrent('a service that is told to stop', { timeout: 60_000 }, () => {
  test('answers a connection that was idle at the signal for as long as a client of ours may use it again', async () => {
    const details = await start('details');
    const socket = connect(details.port, '127.0.0.1');
    socket.write('GET /details/0 HTTP/1.1\r\nhost: a\r\n\r\n');
    await once(socket, 'data');
    details.kill('SIGTERM');
    // A pooled connection of ours is given up by its client after 4 s without use.
    await sleep(4000);
    socket.write('GET /details/1 HTTP/1.1\r\nhost: a\r\n\r\n');
    const [answer] = await once(socket, 'data');
    expect(String(answer)).toMatch(/^HTTP\/1\.1 200/);
    expect(String(answer)).toMatch(/^connection: close/im);
    await once(socket, 'close');
    expect(await details.exit).toBe(0);
  });

  test('leaves as soon as no connection is open', async () => {
    const details = await start('details', { SHUTDOWN_TIMEOUT_SECONDS: '2' });
    await details.request('/details/0');
    details.kill('SIGTERM');
    expect(await details.exit).toBe(0);
  });

  test.each([
    ['half a header', 'GET /health HTTP/1.1\r\nhost: a\r\nx: '],
    ['half a body', 'POST /ratings/0 HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\n{"Rev'],
    ['half a chunk', 'POST /ratings/0 HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n50\r\n{"Rev'],
    ['half a second request', 'GET /health HTTP/1.1\r\nhost: a\r\n\r\nGET /health HTT'],
    ['one byte', 'G'],
    ['nothing', ''],
  ])('is not held up by a client that has sent %s, and exits with 0', async (_what, bytes) => {
    const ratings = await start('ratings', { SHUTDOWN_TIMEOUT_SECONDS: '12' });
    const socket = connect(ratings.port, '127.0.0.1').on('error', () => {});
    socket.resume();
    await once(socket, 'connect');
    socket.write(bytes);
    await ratings.request('/health');
    ratings.kill('SIGTERM');
    expect(await ratings.exit).toBe(0);
    socket.destroy();
  });

  test('is not held up by a client that sends a byte now and then', async () => {
    const ratings = await start('ratings', { SHUTDOWN_TIMEOUT_SECONDS: '12' });
    const socket = connect(ratings.port, '127.0.0.1').on('error', () => {});
    await once(socket, 'connect');
    socket.resume();
    socket.write('GET /health HTTP/1.1\r\nhost: a\r\nx: ');
    const drip = setInterval(() => socket.write('a'), 200);
    ratings.kill('SIGTERM');
    expect(await ratings.exit).toBe(0);
    clearInterval(drip);
    socket.destroy();
  });
});
