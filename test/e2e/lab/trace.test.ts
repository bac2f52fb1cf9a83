/** `npx pnpm@12 lab trace`, on a Jaeger that is played: spans of services and of the proxies beside them. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { execa } from 'execa';
import { describe, expect, test } from 'vitest';
import { gaps, jaegerAt, lastTrace, traceById } from '../../../lab/trace.ts';
import { ROOT } from '../../manifests/load.ts';

interface Spec {
  service: string;
  kind: 'server' | 'client' | 'internal';
  proxy?: boolean;
  version?: string;
  name?: string;
  flags?: string;
  inner?: Spec[];
}

/** As a call between two programs in the mesh: caller, its proxy, the callee's proxy, callee. */
const call = (caller: string, callee: string, inner: Spec[] = [], version = 'v1'): Spec => ({
  service: caller,
  kind: 'client',
  inner: [
    {
      service: caller,
      kind: 'client',
      proxy: true,
      name: `${callee}.default.svc.cluster.local:9080/*`,
      inner: [
        { service: callee, kind: 'server', proxy: true, inner: [{ service: callee, kind: 'server', version, inner }] },
      ],
    },
  ],
});
const RENDER: Spec = { service: 'productpage', kind: 'internal', name: 'render productpage' };
const page = (...calls: Spec[]): Spec => ({
  service: 'istio-ingressgateway',
  kind: 'server',
  proxy: true,
  inner: [
    {
      service: 'istio-ingressgateway',
      kind: 'client',
      proxy: true,
      inner: [
        {
          service: 'productpage',
          kind: 'server',
          proxy: true,
          inner: [{ service: 'productpage', kind: 'server', name: 'GET /productpage', inner: [...calls, RENDER] }],
        },
      ],
    },
  ],
});
const DETAILS = call('productpage', 'details');
const WITH_STARS = page(DETAILS, call('productpage', 'reviews', [call('reviews', 'ratings')], 'v3'));

const ID = '0123456789abcdef0123456789abcdef';

/** As Jaeger answers `GET /api/traces`. */
function traceOf(root: Spec, start = 1_800_000_000_000_000) {
  const spans: object[] = [];
  const processes: Record<string, object> = {};
  const add = ({ service, kind, proxy, version = 'v1', name = 'GET', flags, inner = [] }: Spec, parent?: string) => {
    const spanID = `s${spans.length}`;
    const processID = `p${spans.length}`;
    processes[processID] = { serviceName: service, tags: proxy ? [] : [{ key: 'service.version', value: version }] };
    const tags = {
      'span.kind': kind,
      ...(proxy && { component: 'proxy', 'http.status_code': '200', response_flags: flags ?? '-' }),
    };
    spans.push({
      traceID: ID,
      spanID,
      operationName: name,
      processID,
      references: parent ? [{ refType: 'CHILD_OF', traceID: ID, spanID: parent }] : [],
      startTime: start + spans.length * 1000,
      duration: 20_000 - spans.length * 1000,
      tags: Object.entries(tags).map(([key, value]) => ({ key, value })),
    });
    for (const it of inner) add(it, spanID);
  };
  add(root);
  return { traceID: ID, spans, processes };
}

async function jaeger(...traces: object[]): Promise<AsyncDisposable & { url: string }> {
  const server = createServer((request, response) => {
    response.setHeader('content-type', 'application/json');
    const known =
      request.url === '/api/services' || request.url === `/api/traces/${ID}` || request.url?.startsWith('/api/traces?');
    response.writeHead(known ? 200 : 404).end(JSON.stringify({ data: request.url === '/api/services' ? [] : traces }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
    },
  };
}

const run = (...args: string[]) =>
  execa('node', ['lab/main.ts', 'trace', ...args], {
    cwd: ROOT,
    reject: false,
    env: { NO_COLOR: '1', KUBECONFIG: '/nowhere' },
  });

async function gapsOf(root: Spec): Promise<string[]> {
  await using fake = await jaeger(traceOf(root));
  return gaps(await traceById(await jaegerAt(fake.url), ID));
}

describe('whether a trace is whole', () => {
  test('seventeen spans behind one gateway are', async () => {
    expect(await gapsOf(WITH_STARS)).toEqual([]);
  });

  test('without stars nobody asks ratings', async () => {
    expect(await gapsOf(page(DETAILS, call('productpage', 'reviews')))).toEqual([]);
  });

  test('without a mesh a call is two spans', async () => {
    const direct = (caller: string, callee: string, inner: Spec[] = [], version = 'v1'): Spec => ({
      service: caller,
      kind: 'client',
      inner: [{ service: callee, kind: 'server', version, inner }],
    });
    const calls = [
      direct('productpage', 'details'),
      direct('productpage', 'reviews', [direct('reviews', 'ratings')], 'v2'),
    ];
    expect(await gapsOf({ service: 'productpage', kind: 'server', inner: calls })).toEqual([]);
  });

  test('a hop that is not there is named', async () => {
    expect(await gapsOf(page(DETAILS, call('productpage', 'reviews', [], 'v2')))).toEqual([
      'missing: reviews client > reviews proxy client > ratings proxy server > ratings server',
    ]);
  });

  test('a span whose parent is not there is an orphan: somebody did not pass the headers on', async () => {
    const { spans, ...trace } = traceOf(WITH_STARS);
    const torn = spans.filter((span) => !(span as { operationName: string }).operationName.startsWith('ratings.'));
    await using fake = await jaeger({ ...trace, spans: torn });
    expect(gaps(await traceById(await jaegerAt(fake.url), ID))).toEqual([
      'the parent of ratings proxy server GET is not in it: who called did not pass the trace headers on',
      'missing: reviews client > reviews proxy client > ratings proxy server > ratings server',
    ]);
  });

  test('a call that a proxy answered by itself ends there, and nothing is missing', async () => {
    const aborted: Spec = {
      service: 'reviews',
      kind: 'client',
      inner: [
        {
          service: 'reviews',
          kind: 'client',
          proxy: true,
          name: 'ratings.default.svc.cluster.local:9080/*',
          flags: 'FI',
        },
      ],
    };
    expect(await gapsOf(page(DETAILS, call('productpage', 'reviews', [aborted], 'v3')))).toEqual([]);
  });

  test('a trace that begins in the middle has no gateway as its root', async () => {
    expect(await gapsOf({ ...WITH_STARS, proxy: false, service: 'productpage' })).toContainEqual(
      expect.stringContaining('one root is wanted, a gateway; there are productpage server'),
    );
  });

  test('of several traces the latest is taken', async () => {
    await using fake = await jaeger(traceOf(page(DETAILS)), traceOf(WITH_STARS, 1_900_000_000_000_000));
    expect(await lastTrace(await jaegerAt(fake.url))).toHaveLength(17);
  });
});

describe('npx pnpm@12 lab trace', () => {
  test('draws the last trace, and says that it is whole', async () => {
    await using fake = await jaeger(traceOf(WITH_STARS));
    const { stdout, exitCode } = await run('--url', fake.url);
    expect(stdout).toContain(`trace ${ID}\nistio-ingressgateway proxy `);
    expect(stdout).toMatch(/─ reviews proxy +GET server +200 /);
    expect(stdout).toContain('whole: one root, no orphan, every hop');
    expect(exitCode).toBe(0);
  });

  test.for<[args: string[], exit: number, message: string]>([
    [['12'], 2, 'A trace has 32 digits'],
    [['--url', 'nothing'], 2, 'It is a URL'],
    [['--url', 'http://127.0.0.1:9'], 1, 'No Jaeger answers at http://127.0.0.1:9. Next: '],
    [[], 1, 'kubectl points to no cluster. Next: '],
  ])('%j is answered in one line, exit %i', async ([args, exit, message]) => {
    const { stderr, exitCode } = await run(...args);
    expect(stderr).toContain(message);
    expect(stderr).not.toContain('    at ');
    expect(exitCode).toBe(exit);
  });
});
