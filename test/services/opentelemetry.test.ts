import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createHttp2Server, type ServerHttp2Stream } from 'node:http2';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo, Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import type { TLSSocket } from 'node:tls';
import { gunzipSync } from 'node:zlib';
import { describe, expect, test, vi } from 'vitest';
import { backendAt } from '../../local/bookinfo.ts';
import { freePort } from '../../local/free-port.ts';
import { newTraceId, sampled } from '../support/collector.ts';
import { http } from '../support/http.ts';
import { type Env, start } from '../support/service.ts';
import { answers, hangs, openStub } from '../support/stub.ts';

interface Received {
  path: string;
  headers: IncomingHttpHeaders;
  /** As text, which strings can be looked for in, whatever the protocol. */
  body: string;
}

interface Sink extends AsyncDisposable {
  port: number;
  url: string;
  received: Received[];
  /** What has come to this path, once something has. */
  at(path: string): Promise<Received[]>;
}

/** A collector of our own: takes everything and remembers how it came. */
async function openSink(create: (listener: Listener) => Server = createServer): Promise<Sink> {
  const received: Received[] = [];
  const server = create(async (request, response) => {
    const { url = '', headers } = request;
    const body = await buffer(request);
    const plain = headers['content-encoding'] === 'gzip' ? gunzipSync(body) : body;
    received.push({ path: url, headers, body: plain.toString('latin1') });
    response.setHeader('content-type', headers['content-type'] ?? '').end();
  });
  const port = await listen(server);
  return {
    port,
    url: `http://127.0.0.1:${port}`,
    received,
    at: (path) =>
      vi.waitFor(
        () => {
          const found = received.filter((one) => one.path === path);
          if (found.length === 0) throw new Error(`nothing at ${path}, but at ${received.map((one) => one.path)}`);
          return found;
        },
        { timeout: 20_000 },
      ),
    async [Symbol.asyncDispose]() {
      server.close();
      if ('closeAllConnections' in server) (server.closeAllConnections as () => void)();
    },
  };
}
type Listener = (request: IncomingMessage, response: ServerResponse) => void;

async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

const SOON: Env = { OTEL_BSP_SCHEDULE_DELAY: '50', OTEL_BLRP_SCHEDULE_DELAY: '50', OTEL_METRIC_EXPORT_INTERVAL: '200' };
const TRACES = '/v1/traces';

describe.concurrent('traces', () => {
  test('go to the endpoint below its path, with its headers, compressed, and name the resource', async () => {
    await using sink = await openSink();
    await using details = await start('details', {
      ...SOON,
      SERVICE_VERSION: 'v7',
      OTEL_EXPORTER_OTLP_ENDPOINT: `${sink.url}/tenant`,
      OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
      OTEL_EXPORTER_OTLP_HEADERS: 'x-a=1%2C2,x-b=2',
      OTEL_EXPORTER_OTLP_TRACES_HEADERS: 'x-b=3',
      OTEL_EXPORTER_OTLP_COMPRESSION: 'gzip',
      OTEL_RESOURCE_ATTRIBUTES: 'service.name=shop,team=blue%2Cgreen',
      OTEL_NODE_RESOURCE_DETECTORS: 'env,process',
    });
    await details.request('/details/0');
    const [got] = await sink.at(`/tenant${TRACES}`);
    expect(got?.headers).toMatchObject({
      'x-a': '1,2',
      'x-b': '3',
      'content-encoding': 'gzip',
      'content-type': 'application/json',
    });
    const says = (key: string, value: string) => `"key":"${key}","value":{"stringValue":"${value}"}`;
    expect(got?.body).toContain(says('service.name', 'shop'));
    expect(got?.body).toContain(says('service.version', 'v7'));
    expect(got?.body).toContain(says('service.namespace', 'bookinfo'));
    expect(got?.body).toContain(says('team', 'blue,green'));
    expect(got?.body).toContain('"process.pid"');
    expect(got?.body).not.toContain('"host.name"');
  });

  test('go to their own endpoint as it is, named as OTEL_SERVICE_NAME says', async () => {
    await using sink = await openSink();
    await using details = await start('details', {
      ...SOON,
      OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1',
      OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `${sink.url}/only`,
      OTEL_SERVICE_NAME: 'catalogue',
      OTEL_RESOURCE_ATTRIBUTES: 'service.name=shop',
    });
    await details.request('/details/0');
    const [got] = await sink.at('/only');
    expect(got?.headers['content-type']).toBe('application/x-protobuf');
    expect(got?.body).toContain('catalogue');
    expect(got?.body).not.toContain('shop');
  });

  test('are cut by the limits of spans', async () => {
    await using sink = await openSink();
    await using details = await start('details', {
      ...SOON,
      OTEL_EXPORTER_OTLP_ENDPOINT: sink.url,
      OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
      OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT: '100',
      OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT: '5',
      OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT: '3',
    });
    await details.request('/details/0');
    const [got] = await sink.at(TRACES);
    const [span] = JSON.parse(got?.body ?? '').resourceSpans[0].scopeSpans[0].spans;
    expect(span.attributes).toHaveLength(3);
    expect(span.attributes[1]).toEqual({ key: 'url.path', value: { stringValue: '/deta' } });
  });

  test('go by gRPC to a host and port', async () => {
    const paths: unknown[] = [];
    const server = createHttp2Server().on('stream', (stream: ServerHttp2Stream, headers) => {
      paths.push(headers[':path']);
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
      stream.resume().on('end', () => stream.end(Buffer.alloc(5)));
    });
    const port = await listen(server);
    await using details = await start('details', {
      ...SOON,
      OTEL_EXPORTER_OTLP_ENDPOINT: `127.0.0.1:${port}`,
      OTEL_EXPORTER_OTLP_INSECURE: 'true',
      OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc',
    });
    await details.request('/details/0');
    await vi.waitFor(
      () => expect(paths).toContain('/opentelemetry.proto.collector.trace.v1.TraceService/Export'),
      20_000,
    );
    server.close();
  });

  test('go to Zipkin and to the console, where these are named', async () => {
    await using sink = await openSink();
    await using details = await start('details', {
      ...SOON,
      OTEL_TRACES_EXPORTER: 'zipkin,console',
      OTEL_EXPORTER_ZIPKIN_ENDPOINT: `${sink.url}/spans`,
    });
    await details.request('/details/0');
    expect((await sink.at('/spans'))[0]?.body).toContain('"localEndpoint":{"serviceName":"details"}');
    await vi.waitFor(() => expect(details.lines.join('\n')).toContain("name: 'GET /details/{productId}'"));
  });

  test('of a collector that does not answer are given up after the timeout, with a warning', async () => {
    await using silent = await openStub(hangs);
    await using details = await start('details', {
      ...SOON,
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${silent.port}`,
      OTEL_EXPORTER_OTLP_TIMEOUT: '300',
    });
    await details.request('/details/0');
    await vi.waitFor(
      () => expect(details.lines.join('\n')).toContain('telemetry cannot be exported, requests are not affected'),
      20_000,
    );
  });

  const hasOpenssl = spawnSync('openssl', ['version']).status === 0;
  test.skipIf(!hasOpenssl)('go by TLS with certificates of both sides (needs openssl)', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'otlp-tls-'));
    const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
    const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost', '-days', '2'];
    const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
    execFileSync('openssl', ['req', '-x509', ...curve, '-keyout', key, '-out', cert, ...subject], { stdio: 'ignore' });
    const pem = { key: readFileSync(key), cert: readFileSync(cert), ca: readFileSync(cert) };
    const clients: unknown[] = [];
    await using sink = await openSink((listener) =>
      createHttpsServer({ ...pem, requestCert: true, rejectUnauthorized: true }, (request, response) => {
        clients.push((request.socket as TLSSocket).getPeerCertificate().subject.CN);
        listener(request, response);
      }),
    );
    await using details = await start('details', {
      ...SOON,
      OTEL_EXPORTER_OTLP_ENDPOINT: `https://localhost:${sink.port}`,
      OTEL_EXPORTER_OTLP_CERTIFICATE: cert,
      OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE: cert,
      OTEL_EXPORTER_OTLP_CLIENT_KEY: key,
    });
    await details.request('/details/0');
    await sink.at(TRACES);
    expect(clients).toContain('localhost');
    rmSync(folder, { recursive: true });
  });
});

describe.concurrent('metrics and logs', () => {
  test('are sent when they are asked for, each by its own settings, and stdout keeps its lines', async () => {
    await using sink = await openSink();
    await using details = await start('details', {
      ...SOON,
      OTEL_EXPORTER_OTLP_ENDPOINT: sink.url,
      OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
      OTEL_METRICS_EXPORTER: 'otlp',
      OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: `${sink.url}/my-metrics`,
      OTEL_EXPORTER_OTLP_METRICS_PROTOCOL: 'http/protobuf',
      OTEL_EXPORTER_OTLP_METRICS_COMPRESSION: 'gzip',
      OTEL_LOGS_EXPORTER: 'otlp',
      OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT: '2',
    });
    const traceId = newTraceId();
    await details.request('/details/0', { headers: sampled(traceId) });
    expect((await sink.at('/my-metrics'))[0]).toMatchObject({
      headers: { 'content-type': 'application/x-protobuf', 'content-encoding': 'gzip' },
      body: expect.stringContaining('v8js.memory.heap'),
    });
    const record = await vi.waitUntil(
      async () => {
        const bodies = (await sink.at('/v1/logs')).map(({ body }) => JSON.parse(body));
        return bodies
          .flatMap((body) =>
            body.resourceLogs[0].scopeLogs.flatMap((scope: { logRecords: unknown[] }) => scope.logRecords),
          )
          .find(({ body }) => body.stringValue === 'GET /details/0 200');
      },
      { timeout: 20_000 },
    );
    expect(record).toMatchObject({ traceId, severityText: 'info' });
    expect(record.attributes).toHaveLength(2);
    await sink.at(TRACES);
    const line = await vi.waitUntil(() => details.log().find(({ msg }) => msg === 'GET /details/0 200'));
    expect(line).toMatchObject({ trace_id: traceId, status: 200 });
  });

  test('are sent without traces, and the headers of a trace pass', async () => {
    await using sink = await openSink();
    await using ratings = await openStub(answers({}, 503));
    await using reviews = await start('reviews', {
      ...SOON,
      ENABLE_RATINGS: 'true',
      ...backendAt('ratings', ratings.port),
      OTEL_METRICS_EXPORTER: 'otlp',
      OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: `${sink.url}/v1/metrics`,
    });
    const traceId = newTraceId();
    await reviews.request('/reviews/0', { headers: sampled(traceId) });
    await sink.at('/v1/metrics');
    expect(ratings.received[0]?.headers.traceparent).toContain(traceId);
    expect(sink.received.map(({ path }) => path)).not.toContain(TRACES);
    expect(reviews.lines.join('\n')).not.toContain('telemetry cannot be exported');
  });

  test('can be scraped from a port of the SDK', async () => {
    const port = await freePort();
    await using _ = await start('details', {
      OTEL_METRICS_EXPORTER: 'prometheus',
      OTEL_EXPORTER_PROMETHEUS_HOST: '127.0.0.1',
      OTEL_EXPORTER_PROMETHEUS_PORT: String(port),
    });
    const { text } = await vi.waitFor(() => http(`http://127.0.0.1:${port}/metrics`), 10_000);
    expect(text).toContain('v8js_memory_heap_used');
  });
});

describe.concurrent('reviews', () => {
  /** The spans that come of one request with a sampled parent, and the trace headers that ratings is asked with. */
  async function ask(env: Env, headers: Record<string, string> = {}) {
    await using sink = await openSink();
    await using ratings = await openStub(answers({}, 503));
    await using reviews = await start('reviews', {
      ...SOON,
      ENABLE_RATINGS: 'true',
      ...backendAt('ratings', ratings.port),
      OTEL_EXPORTER_OTLP_ENDPOINT: sink.url,
      OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
      ...env,
    });
    await reviews.request('/reviews/0', { headers });
    reviews.kill('SIGTERM');
    expect(await reviews.exit).toBe(0);
    const kinds = sink.received.flatMap(({ body }) => [...body.matchAll(/"name":"GET [^"]*","kind":(\d)/g)]);
    return { kinds: kinds.map(([, kind]) => kind).sort(), sent: ratings.received[0]?.headers ?? {} };
  }
  const [SERVER, CLIENT] = ['2', '3'];
  const traceId = newTraceId();

  test.each([
    ['always_on', {}, `00-${traceId}-00f067aa0ba902b7-00`, 2],
    ['always_off', {}, `00-${traceId}-00f067aa0ba902b7-01`, 0],
    ['traceidratio', { OTEL_TRACES_SAMPLER_ARG: '0' }, `00-${traceId}-00f067aa0ba902b7-01`, 0],
    ['parentbased_always_on', {}, `00-${traceId}-00f067aa0ba902b7-00`, 0],
    ['parentbased_always_off', {}, `00-${traceId}-00f067aa0ba902b7-01`, 2],
    ['parentbased_always_off', {}, '', 0],
    ['parentbased_traceidratio', { OTEL_TRACES_SAMPLER_ARG: '0' }, '', 0],
    ['parentbased_traceidratio', { OTEL_TRACES_SAMPLER_ARG: '1' }, '', 2],
  ])('with OTEL_TRACES_SAMPLER=%s %o sends, of a parent %s, %i spans', async (sampler, arg, traceparent, spans) => {
    const { kinds, sent } = await ask({ OTEL_TRACES_SAMPLER: sampler, ...arg }, traceparent ? { traceparent } : {});
    expect(kinds).toHaveLength(spans);
    expect(sent.traceparent).toMatch(spans > 0 ? /-01$/ : /-00$/);
  });

  test.each([
    ['tracecontext', ['traceparent']],
    ['b3', ['b3']],
    ['b3multi', ['x-b3-sampled', 'x-b3-spanid', 'x-b3-traceid']],
    ['baggage', ['baggage']],
    [' tracecontext , baggage,', ['baggage', 'traceparent']],
    ['none', []],
  ])('with OTEL_PROPAGATORS=%j passes on %j', async (OTEL_PROPAGATORS, expected) => {
    const { sent } = await ask({ OTEL_PROPAGATORS }, { ...sampled(newTraceId()), baggage: 'a=b' });
    expect(
      Object.keys(sent)
        .filter((name) => /trace|b3|baggage/.test(name))
        .sort(),
    ).toEqual(expected);
  });

  test.each([
    ['undici', [SERVER]],
    ['http', [CLIENT]],
    ['http, undici,', []],
  ])('with OTEL_NODE_DISABLED_INSTRUMENTATIONS=%j has no such spans, but one trace', async (names, expected) => {
    const { kinds, sent } = await ask({ OTEL_NODE_DISABLED_INSTRUMENTATIONS: names }, sampled(traceId));
    expect(kinds).toEqual(expected);
    expect(sent.traceparent).toContain(traceId);
  });

  test('with OTEL_SDK_DISABLED=TRUE sends nothing', async () => {
    const { kinds, sent } = await ask({ OTEL_SDK_DISABLED: 'TRUE' }, sampled(traceId));
    expect([kinds, sent['x-b3-traceid']]).toEqual([[], undefined]);
  });
});
