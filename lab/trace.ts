/** Traces as Jaeger has them, and whether one of a page view is whole. */
import { type Static, Type } from 'typebox';
import { Value } from 'typebox/value';
import type { Span } from '../local/otlp.ts';
import type { Cluster } from './kubectl.ts';
import { Obstacle } from './obstacle.ts';

const Tags = Type.Array(Type.Object({ key: Type.String(), value: Type.Unknown() }));
/** https://www.jaegertracing.io/docs: GET /api/traces, the JSON that Jaeger's own pages read. Times in microseconds. */
const Traces = Type.Object({
  data: Type.Array(
    Type.Object({
      spans: Type.Array(
        Type.Object({
          traceID: Type.String(),
          spanID: Type.String(),
          operationName: Type.String(),
          processID: Type.String(),
          references: Type.Array(Type.Object({ refType: Type.String(), spanID: Type.String() })),
          startTime: Type.Number(),
          duration: Type.Number(),
          tags: Tags,
        }),
      ),
      processes: Type.Record(Type.String(), Type.Object({ serviceName: Type.String(), tags: Tags })),
    }),
  ),
});

/** Asks a Jaeger for a path below its root, such as `/api/services`; undefined when it knows nothing there. */
export type Jaeger = (path: string) => Promise<string | undefined>;

/**
 * The Jaeger of the addons, through the API server: no port has to be forwarded.
 * @throws {Obstacle} when there is none
 */
export async function jaegerOf(cluster: Cluster): Promise<Jaeger> {
  if (!(await cluster.has('service', 'tracing', '--namespace=istio-system')))
    throw new Obstacle('Jaeger is not installed', 'kubectl apply -f istio/addons/jaeger.yaml');
  const proxy = '/api/v1/namespaces/istio-system/services/tracing:80/proxy';
  const get: Jaeger = (path) => cluster.kubectl(['get', `--raw=${proxy}${path}`]);
  await get('/api/services').catch((error: unknown) => {
    if (!(error instanceof Obstacle)) throw error;
    throw new Obstacle(`Jaeger does not answer: ${error.problem}`, 'kubectl -n istio-system get pods');
  });
  return (path) => get(path).catch((error: unknown) => (error instanceof Obstacle ? undefined : Promise.reject(error)));
}

/** @throws {Obstacle} when nothing answers there as Jaeger does */
export async function jaegerAt(url: string): Promise<Jaeger> {
  const get: Jaeger = async (path) => {
    const answer = await fetch(url.replace(/\/$/, '') + path, { signal: AbortSignal.timeout(10_000) });
    const body = await answer.text();
    return answer.ok ? body : undefined;
  };
  const services = await get('/api/services').catch(() => undefined);
  if (services?.startsWith('{')) return get;
  throw new Obstacle(`No Jaeger answers at ${url}`, '--url with the address of its pages');
}

/** The spans of a trace; none when Jaeger does not have it, or not yet. */
export async function traceById(jaeger: Jaeger, id: string): Promise<Span[]> {
  const answer = await jaeger(`/api/traces/${id}`);
  return answer === undefined ? [] : (spansOf(answer)[0] ?? []);
}

/** The latest trace of a product page; none when Jaeger has none. */
export async function lastTrace(jaeger: Jaeger): Promise<Span[]> {
  const query = new URLSearchParams({
    service: 'productpage',
    operation: 'GET /productpage',
    limit: '20',
    lookback: '1h',
  });
  const traces = spansOf((await jaeger(`/api/traces?${query}`)) ?? '{"data":[]}');
  const startOf = (spans: Span[]) => Math.min(...spans.map(({ start }) => start));
  return traces.sort((a, b) => startOf(b) - startOf(a))[0] ?? [];
}

function spansOf(json: string): Span[][] {
  const answer: unknown = JSON.parse(json);
  if (!Value.Check(Traces, answer))
    throw new Obstacle('Jaeger answers in another form than known here', 'its own pages');
  return answer.data.map(({ spans, processes }) =>
    spans.map((span) => {
      const attributes = plain(span.tags);
      const { serviceName = '', tags = [] } = processes[span.processID] ?? {};
      return {
        traceId: span.traceID,
        spanId: span.spanID,
        parentSpanId: span.references.find(({ refType }) => refType === 'CHILD_OF')?.spanID ?? '',
        name: span.operationName,
        kind: { internal: 1, server: 2, client: 3 }[String(attributes['span.kind'])] ?? 0,
        start: span.startTime / 1000,
        duration: span.duration / 1000,
        error: attributes.error === true || attributes.error === 'true',
        attributes,
        resource: { ...plain(tags), 'service.name': serviceName },
      };
    }),
  );
}

const plain = (tags: Static<typeof Tags>): Record<string, unknown> =>
  Object.fromEntries(tags.map(({ key, value }) => [key, value]));

const isProxy = ({ attributes }: Span): boolean => attributes.component === 'proxy';
const serviceOf = ({ resource }: Span): string => String(resource['service.name']);
const place = (span: Span): string =>
  [serviceOf(span), isProxy(span) && 'proxy', { 2: 'server', 3: 'client' }[span.kind]].filter(Boolean).join(' ');

/** The calls behind a page. */
const CALLS = [
  ['productpage', 'details'],
  ['productpage', 'reviews'],
  ['reviews', 'ratings'],
] as const;

/**
 * What is missing in the trace of a page view, each as a sentence; nothing of a whole one. In a mesh a call is four spans in
 * a chain: caller, its proxy, the callee's proxy, callee; else two. A call that a proxy answered by itself ends there.
 */
export function gaps(spans: Span[]): string[] {
  if (spans.length === 0) return ['there is no span of it'];
  const byId = new Map(spans.map((span) => [span.spanId, span]));
  const parentOf = (span: Span) => byId.get(span.parentSpanId);
  const meshed = spans.some(isProxy);
  const roots = spans.filter(({ parentSpanId }) => parentSpanId === '');
  const orphans = spans.filter((span) => span.parentSpanId !== '' && !parentOf(span));
  const [root] = roots;
  const rooted = root && roots.length === 1 && root.kind === 2 && isProxy(root) === meshed;
  return [
    ...(rooted ? [] : [`one root is wanted, a ${meshed ? 'gateway' : 'productpage server'}; there ${named(roots)}`]),
    ...orphans.map(
      (span) => `the parent of ${place(span)} ${span.name} is not in it: who called did not pass the trace headers on`,
    ),
    ...CALLS.filter((call) => isExpected(spans, call)).flatMap((call) => missing(spans, call, meshed, parentOf)),
  ];
}

const named = (spans: Span[]): string => (spans.length === 0 ? 'is none' : `are ${spans.map(place).join(', ')}`);

/** Reviews v1 asks nobody, and reviews that did not get the request cannot. */
function isExpected(spans: Span[], [caller]: (typeof CALLS)[number]): boolean {
  const programs = spans.filter((it) => serviceOf(it) === caller && !isProxy(it) && it.kind === 2);
  return caller === 'productpage' || programs.some(({ resource }) => resource['service.version'] !== 'v1');
}

function missing(
  spans: Span[],
  [caller, callee]: (typeof CALLS)[number],
  meshed: boolean,
  parentOf: (span: Span) => Span | undefined,
): string[] {
  const chain = meshed
    ? [`${caller} client`, `${caller} proxy client`, `${callee} proxy server`, `${callee} server`]
    : [`${caller} client`, `${callee} server`];
  const upFrom = (span: Span | undefined, left: number): string[] =>
    span && left > 0 ? [...upFrom(parentOf(span), left - 1), place(span)] : [];
  const whole = spans.some((span) => upFrom(span, chain.length).join() === chain.join());
  return whole || answeredByProxy(spans, caller, callee) ? [] : [`missing: ${chain.join(' > ')}`];
}

/** Envoy's flags for an answer of its own: https://www.envoyproxy.io/docs, access log, RESPONSE_FLAGS. */
function answeredByProxy(spans: Span[], caller: string, callee: string): boolean {
  return spans.some(
    (it) =>
      isProxy(it) &&
      it.kind === 3 &&
      serviceOf(it) === caller &&
      it.name.startsWith(`${callee}.`) &&
      !['', '-', undefined].includes(it.attributes.response_flags as string),
  );
}
