import { once } from 'node:events';
import { connect } from 'node:net';
import { describe, expect, test, vi } from 'vitest';
import { backendAt } from '../../local/bookinfo.ts';
import { freePort } from '../../local/free-port.ts';
import { SERVICES } from '../../local/workloads.ts';
import { DETAILS } from '../support/bodies.ts';
import { raw } from '../support/http.ts';
import { start, type TestedService, useService } from '../support/service.ts';
import { answers, hangs, useStub } from '../support/stub.ts';
import { KNOWN } from './known.ts';

/** The heap of a container of 192 MiB. */
const SMALL_HEAP = { NODE_OPTIONS: '--max-old-space-size=96' };

async function withoutBackends() {
  const port = await freePort();
  return { ...backendAt('details', port), ...backendAt('reviews', port), ...backendAt('ratings', port) };
}

/** Sends the same request many times on one connection and never reads; resolves when the server has had enough. */
async function pipelineUnread(service: TestedService, path: string, times: number): Promise<void> {
  const socket = connect(service.port, '127.0.0.1').on('error', () => {});
  const closed = new Promise((resolve) => socket.once('close', resolve));
  await once(socket, 'connect');
  socket.pause();
  socket.write(`GET ${path} HTTP/1.1\r\nhost: a\r\n\r\n`.repeat(times));
  // A paused socket learns of the end only when it writes.
  const probe = setInterval(() => socket.write('\r\n'), 50);
  await Promise.race([closed, service.exit]);
  clearInterval(probe);
  socket.destroy();
}

const residentMiB = async (service: TestedService) => {
  const { text } = await service.request('/metrics');
  return Number(/^process_resident_memory_bytes (\S+)/m.exec(text)?.[1]) / 2 ** 20;
};

describe.each(SERVICES)('%s', { timeout: 60_000 }, (name) => {
  test('closes a connection on which thousands of requests wait unread, and serves on in the heap of a small container', async () => {
    await using service = await start(name, { ...SMALL_HEAP, ENABLE_RATINGS: 'true', ...(await withoutBackends()) });
    await service.request(KNOWN[name].route);
    const before = await residentMiB(service);
    await pipelineUnread(service, KNOWN[name].route, 20_000);
    await Promise.all(Array.from({ length: 20 }, () => pipelineUnread(service, KNOWN[name].route, 2000)));
    expect(await service.request('/health/live')).toMatchObject({ status: 200 });
    expect((await residentMiB(service)) - before).toBeLessThan(100);
  });
});

describe('a connection', () => {
  const details = useService('details');

  test('may have sixteen requests in progress, which are answered in order', async () => {
    const requests = Array.from({ length: 16 }, (_, i) => {
      const close = i === 15 ? 'connection: close\r\n' : '';
      return `GET /details/${i} HTTP/1.1\r\nhost: a\r\n${close}\r\n`;
    });
    const answer = await raw(details.port, requests.join(''));
    expect([...answer.matchAll(/^\{"id":(\d+)/gm)].map(([, id]) => Number(id))).toEqual([...requests.keys()]);
  });
});

describe('a process', () => {
  const details = useStub(hangs);
  const productpage = useService('productpage', () => backendAt('details', details.port));
  const askSlowly = () => productpage.request('/api/v1/products/0').catch((error: Error) => error);

  test('with too many requests in progress refuses more with 503 and Retry-After, and goes on answering probes and scrapes', async () => {
    const asked = Array.from({ length: 700 }, askSlowly);
    const refused = (await Promise.race([
      Promise.any(
        asked.map(async (answer) => {
          const got = await answer;
          if (got instanceof Error || got.status !== 503) throw new Error('not refused');
          return got;
        }),
      ),
      Promise.all(asked).then(() => undefined),
    ])) as Awaited<ReturnType<typeof productpage.request>> | undefined;
    expect(refused).toMatchObject({
      status: 503,
      headers: { 'retry-after': '1' },
      json: { error: 'Too many requests in progress', requestId: expect.any(String) },
    });
    for (const path of ['/health', '/health/live', '/health/ready', '/metrics']) {
      expect(await productpage.request(path)).toMatchObject({ status: 200 });
    }
    const statuses = (await Promise.all(asked)).map((got) => (got instanceof Error ? got.message : got.status));
    expect([...new Set(statuses)].sort()).toEqual([500, 503]);
    details.behave(answers(DETAILS));
    expect(await productpage.request('/api/v1/products/0')).toMatchObject({ status: 200 });
  });

  test('answers probes on new connections while a thousand busy ones ask for more than it can do', async () => {
    await using busy = await start('productpage', await withoutBackends());
    const statuses: (string | undefined)[] = [];
    const clients = Array.from({ length: 1000 }, () => {
      const socket = connect(busy.port, '127.0.0.1').on('error', () => {});
      const ask = () => socket.write('GET /api/v1/products/0 HTTP/1.1\r\nhost: a\r\n\r\n');
      socket.on('connect', ask);
      return socket.on('data', (answer) => {
        statuses.push(/^HTTP\/1.1 (\d+)/.exec(String(answer))?.[1]);
        ask();
      });
    });
    await vi.waitFor(() => expect([...new Set(statuses)].sort()).toEqual(['500', '503']), 20_000);
    await vi.waitFor(() => expect(clients.every(({ bytesRead }) => bytesRead > 0)).toBe(true), 40_000);
    for (let probe = 0; probe < 10; probe++) {
      const before = statuses.length;
      expect(await busy.request('/health/live')).toMatchObject({ status: 200 });
      // A clock that goes as fast as the machine.
      expect(statuses.length - before).toBeLessThan(2000);
    }
    for (const client of clients) client.destroy();
    await vi.waitFor(
      async () => expect(await busy.request('/api/v1/products/0')).toMatchObject({ status: 500 }),
      10_000,
    );
  }, 90_000);

  test('counts the work for clients that have hung up until it is done', async () => {
    const active = async () => {
      const { text } = await productpage.request('/metrics');
      return Number(/^http_server_active_requests (\d+)$/m.exec(text)?.[1]);
    };
    await vi.waitFor(async () => expect(await active()).toBe(0), 10_000);
    const before = details.received.length;
    details.behave(hangs);
    const clients = Array.from({ length: 20 }, () => {
      const socket = connect(productpage.port, '127.0.0.1').on('error', () => {});
      socket.write('GET /api/v1/products/0 HTTP/1.1\r\nhost: a\r\n\r\n');
      return socket;
    });
    await vi.waitFor(() => expect(details.received).toHaveLength(before + 20), 10_000);
    const hungUp = productpage.lines.length;
    for (const client of clients) client.destroy();
    await vi.waitFor(() => expect(productpage.lines.slice(hungUp).join()).toContain('"status":499'));
    expect(await active()).toBeGreaterThan(0);
    await vi.waitFor(async () => expect(await active()).toBe(0), 10_000);
  });
});
