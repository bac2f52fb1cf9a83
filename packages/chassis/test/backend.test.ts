import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { describe, expect, test, vi } from 'vitest';
import { freePort } from '../../../local/free-port.ts';
import { openKubeService } from '../../../local/kube-service.ts';
import { failuresOf, stallsOf } from '../../../test/support/failures.ts';
import { answers, answersAfter, type Behaviour, firstly, hangs, openStub } from '../../../test/support/stub.ts';
import { type Backend, connectBackend, connectOrigin, describeReason } from '../src/index.ts';
import { openFixture } from './fixture/server.ts';

const BODY = { id: 7 };
const ID = { type: 'object', required: ['id'], properties: { id: { type: 'integer' } } } as const;
const QUESTION = { route: '/x/{id}', schema: ID, timeoutMs: 3000 } as const;

type Connection = Backend<'/x/{id}', { id: number }> & AsyncDisposable;

/** A client in a service of its own, which it closes. */
async function connect(port: number, more: { timeoutMs?: number; tries?: number } = {}): Promise<Connection> {
  const app = await openFixture();
  const config = { X_HOSTNAME: '127.0.0.1', X_SERVICE_PORT: port, SERVICES_DOMAIN: '' };
  const backend = connectBackend(app, config, 'X', { ...QUESTION, ...more });
  return { ...backend, [Symbol.asyncDispose]: async () => void (await app.close()) };
}

const caller = { headers: {}, log: (await openFixture()).log };
const ask = (backend: Connection) => backend.get({ id: 7 }, caller);

describe('a backend', () => {
  test('that answers well is told with who answered', async () => {
    const headers = { 'x-service-version': 'v3', 'x-pod-name': 'x-v3-abc', 'server-timing': 'istio;dur=1' };
    await using stub = await openStub(answers(BODY, 200, headers));
    await using backend = await connect(stub.port);
    expect(await ask(backend)).toMatchObject({
      ok: true,
      status: 200,
      body: BODY,
      tries: [{ outcome: { ok: true, status: 200 } }],
      servedBy: { version: 'v3', pod: 'x-v3-abc' },
      serverTiming: 'istio;dur=1',
    });
    expect(stub.received).toMatchObject([{ method: 'GET', path: '/x/7' }]);
  });

  test('that is no program of ours, and names neither version nor pod, is told without them', async () => {
    await using stub = await openStub(answers({ ...BODY, more: true }));
    await using backend = await connect(stub.port);
    expect(await ask(backend)).toMatchObject({ ok: true, servedBy: { version: undefined, pod: undefined } });
  });

  test.each(failuresOf(BODY))('that $name is a failure with status $status', async ({ behaviour, status }) => {
    await using stub = await openStub(behaviour);
    await using backend = await connect(stub.port);
    expect(await ask(backend)).toMatchObject({ ok: false, status, tries: [{ outcome: { ok: false, status } }] });
    expect(stub.received).toHaveLength(1);
  });

  test('that refuses the connection is a failure with status 500', async () => {
    await using backend = await connect(await freePort());
    expect(await ask(backend)).toMatchObject({
      ok: false,
      status: 500,
      reason: { code: 'refused', detail: expect.stringContaining('ECONNREFUSED') },
      from: 'nobody',
      servedBy: { version: undefined, pod: undefined },
    });
  });

  test('whose name does not resolve is a failure with status 500', async () => {
    await using app = await openFixture();
    const backend = connectOrigin(app, 'ratings', 'http://ratings.invalid:9080', QUESTION);
    const reason = { code: 'dns', detail: expect.any(String) };
    expect(await backend.get({ id: 7 }, caller)).toMatchObject({ ok: false, status: 500, reason, from: 'nobody' });
  });

  test.each(stallsOf(BODY))('that $name is given up at the deadline and hung up on', async ({ behaviour }) => {
    await using stub = await openStub(behaviour);
    await using backend = await connect(stub.port, { timeoutMs: 300 });
    expect(await ask(backend)).toMatchObject({
      ok: false,
      status: 500,
      reason: { code: 'timeout', timeoutMs: 300 },
      from: 'nobody',
    });
    expect(await stub.received[0]?.end).toBe('aborted');
  });

  test('has as long as the deadline says', async () => {
    await using stub = await openStub(answersAfter(500, BODY));
    await using backend = await connect(stub.port, { timeoutMs: 20_000 });
    expect(await ask(backend)).toMatchObject({ ok: true });
  });

  test('that answers 503 by itself is told from a proxy that does so in its place, whose words are kept', async () => {
    const failure = { ok: false, status: 503, reason: { code: 'status', status: 503 } };
    const behave = (headers: Record<string, string>): Behaviour => {
      return (response) =>
        response.writeHead(503, { 'content-type': 'text/plain', ...headers }).end('upstream\nfailed');
    };
    await using service = await openStub(behave({ 'x-service-version': 'v2', 'x-pod-name': 'x-v2-abc' }));
    await using first = await connect(service.port);
    const servedBy = { version: 'v2', pod: 'x-v2-abc' };
    expect(await ask(first)).toMatchObject({ ...failure, from: 'service', servedBy, text: undefined });
    await using proxy = await openStub(behave({}));
    await using second = await connect(proxy.port);
    expect(await ask(second)).toMatchObject({ ...failure, from: 'proxy', text: 'upstream failed' });
  });

  test('whose proxy is wordy is quoted with 80 characters', async () => {
    await using stub = await openStub((response) =>
      response.writeHead(503, { 'content-type': 'text/plain; charset=utf-8' }).end('\u{1f600}'.repeat(500)),
    );
    await using backend = await connect(stub.port);
    expect(await ask(backend)).toMatchObject({ text: '\u{1f600}'.repeat(80) });
  });

  test('whose proxy answers in HTML is not quoted', async () => {
    await using stub = await openStub((response) =>
      response.writeHead(503, { 'content-type': 'text/html' }).end('<h1>503</h1>'),
    );
    await using backend = await connect(stub.port);
    expect(await ask(backend)).toMatchObject({ from: 'proxy', text: undefined });
  });

  test('is asked for a path whose parameters cannot leave their segment', async () => {
    await using stub = await openStub(answers(BODY));
    await using backend = await connect(stub.port);
    await backend.get({ id: '../y?z' }, { ...caller, headers: { 'end-user': 'jason' } });
    expect(stub.received).toMatchObject([{ path: '/x/..%2Fy%3Fz', headers: { 'end-user': 'jason' } }]);
  });
});

describe('a change asked of a backend', () => {
  const change = (backend: Connection) => ({
    PUT: () => backend.put({ id: 7 }, { stars: 5 }, caller),
    POST: () => backend.post({ id: 7 }, { stars: 5 }, caller),
    DELETE: () => backend.delete({ id: 7 }, caller),
  });

  test.each([
    ['PUT', '{"stars":5}', 'application/json'],
    ['POST', '{"stars":5}', 'application/json'],
    ['DELETE', '', undefined],
  ] as const)('goes out as %s with the body %j', async (method, body, type) => {
    const bodies: Promise<string>[] = [];
    await using stub = await openStub((response, request) => {
      bodies.push(text(request));
      answers(BODY)(response, request);
    });
    await using backend = await connect(stub.port);
    expect(await change(backend)[method]()).toMatchObject({ ok: true, body: BODY });
    expect(stub.received).toMatchObject([{ method, path: '/x/7' }]);
    expect(stub.received[0]?.headers['content-type']).toBe(type);
    expect(await Promise.all(bodies)).toEqual([body]);
  });

  test('is sent again with its body where more tries are allowed', async () => {
    const bodies: Promise<string>[] = [];
    const behave = firstly(answers({}, 503), answers(BODY));
    await using stub = await openStub((response, request) => {
      bodies.push(text(request));
      behave(response, request);
    });
    await using backend = await connect(stub.port, { tries: 2 });
    expect(await change(backend).PUT()).toMatchObject({ ok: true, tries: [{}, {}] });
    expect(await Promise.all(bodies)).toEqual(['{"stars":5}', '{"stars":5}']);
  });
});

test.each([
  [{ code: 'timeout', timeoutMs: 3000 }, 'no answer within 3 s'],
  [{ code: 'timeout', timeoutMs: 2500 }, 'no answer within 2.5 s'],
  [{ code: 'status', status: 503 }, 'answered 503'],
  [{ code: 'body' }, 'answered 200 with an unexpected body'],
  [{ code: 'refused', detail: 'connect ECONNREFUSED' }, 'connect ECONNREFUSED'],
] as const)('the reason %o reads: %s', (reason, words) => {
  expect(describeReason(reason)).toBe(words);
});

test('a backend is looked for in SERVICES_DOMAIN', async () => {
  await using app = await openFixture();
  const config = { X_HOSTNAME: 'x', X_SERVICE_PORT: 9080, SERVICES_DOMAIN: 'bookinfo.invalid' };
  const answer = await connectBackend(app, config, 'X', QUESTION).get({ id: 7 }, caller);
  expect(answer).toMatchObject({ reason: { code: 'dns', detail: expect.stringContaining('x.bookinfo.invalid') } });
});

describe('a call with two tries', () => {
  test('succeeds with the second', async () => {
    await using stub = await openStub(firstly(answers({}, 503), answers(BODY)));
    await using backend = await connect(stub.port, { tries: 2 });
    const answer = await ask(backend);
    expect(answer).toMatchObject({
      ok: true,
      tries: [{ outcome: { ok: false, reason: { code: 'status', status: 503 } } }, { outcome: { ok: true } }],
    });
    const [first, second] = answer.tries;
    if (!first || !second) throw new Error('two tries expected');
    expect(second.startedAt).toBeGreaterThanOrEqual(first.startedAt + first.durationMs);
    expect(answer.durationMs).toBeGreaterThanOrEqual(first.durationMs + second.durationMs);
    expect(second.outcome).not.toHaveProperty('body');
  });

  test('fails as the second did', async () => {
    await using stub = await openStub(firstly(answers({}, 503), answers({}, 404)));
    await using backend = await connect(stub.port, { tries: 2 });
    const outcomes = [{ outcome: { status: 503 } }, { outcome: { status: 404 } }];
    expect(await ask(backend)).toMatchObject({ ok: false, status: 404, tries: outcomes });
    expect(stub.received).toHaveLength(2);
  });

  test('gives each try the whole deadline', async () => {
    await using stub = await openStub(firstly(hangs, answersAfter(300, BODY)));
    await using backend = await connect(stub.port, { tries: 2, timeoutMs: 2000 });
    const outcomes = [{ outcome: { ok: false, reason: { code: 'timeout' } } }, { outcome: { ok: true } }];
    expect(await ask(backend)).toMatchObject({ ok: true, tries: outcomes });
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
    await using backend = await connect(service.port);

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
    await using backend = await connect(stub.port, { timeoutMs: 20_000 });
    const results = await Promise.all(Array.from({ length: 500 }, () => ask(backend)));
    expect(results.every(({ ok }) => ok)).toBe(true);
    expect(most).toBeLessThanOrEqual(128);
  });

  test.skipIf(process.platform !== 'linux')('are given up with the calls that they were made for', async () => {
    await using hole = await openBlackHole();
    await using backend = await connect(hole.port, { timeoutMs: 500 });
    const connecting = () => process.getActiveResourcesInfo().filter((name) => name === 'ConnectWrap').length;
    const results = Promise.all(Array.from({ length: 128 }, () => ask(backend)));
    await vi.waitUntil(() => connecting() > 100, { interval: 10 });
    expect((await results).every(({ ok }) => !ok)).toBe(true);
    // Left alone, an attempt to connect takes 10 s and more.
    await vi.waitFor(() => expect(connecting()).toBe(0), { timeout: 6000 });
  });
});

/** A port of which nobody takes connections: two are made and wait, others are not even refused. */
async function openBlackHole(): Promise<{ port: number } & AsyncDisposable> {
  const sleepWhenListening = `
    require('node:net').createServer().listen({ host: '127.0.0.1', port: 0, backlog: 1 }, function () {
      require('node:fs').writeSync(1, String(this.address().port));
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
    });`;
  const child = spawn(process.execPath, ['-e', sleepWhenListening], { stdio: ['ignore', 'pipe', 'inherit'] });
  const exit = once(child, 'exit');
  const [port] = await once(child.stdout, 'data');
  return {
    port: Number(port),
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await exit;
    },
  };
}
