import { Type } from 'typebox';
import { describe, expect, test } from 'vitest';
import { openKubeService } from '../../../local/kube-service.ts';
import { failuresOf, stallsOf } from '../../../test/support/failures.ts';
import {
  answers,
  answersAfter,
  type Behaviour,
  closedPort,
  firstly,
  hangs,
  openStub,
} from '../../../test/support/stub.ts';
import { type Backend, createBackend } from '../src/index.ts';

const BODY = { id: 7 };
const schema = Type.Object({ id: Type.Integer() });

function connect(port: number): Backend & AsyncDisposable {
  const backend = createBackend(`http://127.0.0.1:${port}`);
  return { ...backend, [Symbol.asyncDispose]: () => backend.close() };
}

const ask = (backend: Backend, more: { timeoutMs?: number; tries?: number } = {}) =>
  backend.get({ path: '/x/7', urlTemplate: '/x/{id}', headers: {}, schema, timeoutMs: 3000, ...more });

describe('a backend', () => {
  test('that answers well is told with who answered', async () => {
    const headers = { 'x-service-version': 'v3', 'x-pod-name': 'x-v3-abc' };
    await using stub = await openStub(answers(BODY, 200, headers));
    await using backend = connect(stub.port);
    expect(await ask(backend)).toMatchObject({
      ok: true,
      status: 200,
      body: BODY,
      tries: 1,
      servedBy: { version: 'v3', pod: 'x-v3-abc' },
    });
    expect(stub.received).toMatchObject([{ method: 'GET', path: '/x/7' }]);
  });

  test('may be of another make, without our headers', async () => {
    await using stub = await openStub(answers({ ...BODY, more: true }));
    await using backend = connect(stub.port);
    expect(await ask(backend)).toMatchObject({ ok: true, servedBy: { version: undefined, pod: undefined } });
  });

  test.each(failuresOf(BODY))('that $name is a failure with status $status', async ({ behaviour, status }) => {
    await using stub = await openStub(behaviour);
    await using backend = connect(stub.port);
    expect(await ask(backend)).toMatchObject({ ok: false, status, reason: expect.stringMatching(/./), tries: 1 });
    expect(stub.received).toHaveLength(1);
  });

  test('that refuses the connection is a failure with status 500', async () => {
    await using backend = connect(await closedPort());
    expect(await ask(backend)).toMatchObject({
      ok: false,
      status: 500,
      reason: expect.stringContaining('ECONNREFUSED'),
    });
  });

  test('whose name does not resolve is a failure with status 500', async () => {
    const backend = createBackend('http://ratings.invalid:9080');
    expect(await ask(backend)).toMatchObject({ ok: false, status: 500 });
    await backend.close();
  });

  test.each(stallsOf(BODY))('that $name is given up at the deadline and hung up on', async ({ behaviour }) => {
    await using stub = await openStub(behaviour);
    await using backend = connect(stub.port);
    expect(await ask(backend, { timeoutMs: 300 })).toMatchObject({
      ok: false,
      status: 500,
      reason: 'no answer within 0.3 s',
    });
    expect(await stub.received[0]?.end).toBe('aborted');
  });

  test('has as long as the deadline says', async () => {
    await using stub = await openStub(answersAfter(500, BODY));
    await using backend = connect(stub.port);
    expect(await ask(backend, { timeoutMs: 20_000 })).toMatchObject({ ok: true });
  });
});

describe('a call with two tries', () => {
  test('succeeds with the second', async () => {
    await using stub = await openStub(firstly(answers({}, 503), answers(BODY)));
    await using backend = connect(stub.port);
    expect(await ask(backend, { tries: 2 })).toMatchObject({ ok: true, tries: 2 });
  });

  test('fails as the second did', async () => {
    await using stub = await openStub(firstly(answers({}, 503), answers({}, 404)));
    await using backend = connect(stub.port);
    expect(await ask(backend, { tries: 2 })).toMatchObject({ ok: false, status: 404, tries: 2 });
    expect(stub.received).toHaveLength(2);
  });

  test('gives each try the whole deadline', async () => {
    await using stub = await openStub(firstly(hangs, answersAfter(300, BODY)));
    await using backend = connect(stub.port);
    expect(await ask(backend, { tries: 2, timeoutMs: 2000 })).toMatchObject({ ok: true, tries: 2 });
    expect(await Promise.all(stub.received.map(({ end }) => end))).toEqual(['aborted', 'answered']);
  });
});

describe('the connections to a backend', () => {
  test('reach every process behind a name that balances by connection, and are used again', async () => {
    const ports = new Set<number | undefined>();
    const counting: Behaviour = (response, request) => {
      ports.add(request.socket.remotePort);
      answers(BODY)(response, request);
    };
    await using one = await openStub(counting);
    await using two = await openStub(counting);
    await using three = await openStub(counting);
    await using service = await openKubeService();
    for (const { port } of [one, two, three]) service.add(port);
    await using backend = connect(service.port);

    for (let i = 0; i < 30; i++) expect(await ask(backend)).toMatchObject({ ok: true });
    for (const stub of [one, two, three]) expect(stub.received.length).toBeGreaterThan(0);
    expect(ports.size).toBeLessThan(30);
  });

  test('are bounded in number, whatever the load', async () => {
    let open = 0;
    let most = 0;
    const counted = new Set<unknown>();
    await using stub = await openStub((response, { socket }) => {
      if (!counted.has(socket)) {
        counted.add(socket);
        most = Math.max(most, ++open);
        socket.on('close', () => open--);
      }
      setTimeout(() => answers(BODY)(response, {} as never), 50);
    });
    await using backend = connect(stub.port);
    const results = await Promise.all(Array.from({ length: 500 }, () => ask(backend, { timeoutMs: 20_000 })));
    expect(results.every(({ ok }) => ok)).toBe(true);
    expect(most).toBeLessThanOrEqual(128);
  });
});
