import { expect } from 'vitest';
import { exists, run } from './kubectl.ts';
import { lesson } from './lesson.ts';
import { reviewsVersion, traceOf } from './visitor.ts';

interface Span {
  spanID: string;
  operationName: string;
  processID: string;
  references: { refType: string; spanID: string }[];
  tags: { key: string; value: unknown }[];
}

/** The calls of one page view. Each is four spans in a chain: caller, its proxy, the callee's proxy, callee. */
const CALLS = [
  ['productpage', 'details'],
  ['productpage', 'reviews'],
  ['reviews', 'ratings'],
] as const;

/** What is wrong with a trace of a page view. */
function faults(spans: Span[], processes: Record<string, { serviceName: string }>): string[] {
  const byId = new Map(spans.map((span) => [span.spanID, span]));
  const parentOf = (span: Span) =>
    byId.get(span.references.find(({ refType }) => refType === 'CHILD_OF')?.spanID ?? '');
  const describe = (span?: Span) => {
    const tag = (key: string) => span?.tags.find((tag) => tag.key === key)?.value;
    return (
      span &&
      `${processes[span.processID]?.serviceName} ${tag('component') === 'proxy' ? 'proxy' : 'app'} ${tag('span.kind')}`
    );
  };
  const found: string[] = [];
  const roots = spans.filter(({ references }) => references.length === 0);
  if (roots.map(describe).join() !== 'istio-ingressgateway proxy server')
    found.push(`roots: ${roots.map(describe).join()}`);
  for (const span of spans)
    if (span.references.length > 0 && !parentOf(span)) found.push(`orphan: ${describe(span)} ${span.operationName}`);
  const chains = new Set(
    spans.map((span) => {
      const chain: (string | undefined)[] = [];
      for (let at: Span | undefined = span; at && chain.length < 4; at = parentOf(at)) chain.unshift(describe(at));
      return chain.join(' > ');
    }),
  );
  for (const [caller, callee] of CALLS) {
    const chain = `${caller} app client > ${caller} proxy client > ${callee} proxy server > ${callee} app server`;
    if (!chains.has(chain)) found.push(`missing: ${chain}`);
  }
  return found;
}

/** What is wrong with the trace of this id as Jaeger has it. */
async function faultsOf(id: string): Promise<string[]> {
  const jaeger = '/api/v1/namespaces/istio-system/services/tracing:80/proxy/api/traces';
  const { code, output } = await run('kubectl', ['get', '--raw', `${jaeger}/${id}`]);
  if (code !== 0) return [`Jaeger knows no trace ${id}`];
  const { data } = JSON.parse(output) as {
    data: { spans: Span[]; processes: Record<string, { serviceName: string }> }[];
  };
  return data[0] ? faults(data[0].spans, data[0].processes) : ['empty'];
}

lesson('traces: one request is one tree in Jaeger, of services and proxies', async ({ cluster, visitor, skip }) => {
  if (!(await exists('service/tracing', '--namespace=istio-system'))) skip('Jaeger is not installed');
  await cluster.apply('istio/virtual-service-reviews-v3.yaml');
  await visitor.seesOnly('v3', reviewsVersion);
  const ids: string[] = [];
  while (ids.length < 5) ids.push(traceOf(await visitor.get()));
  for (const id of ids) await expect.poll(() => faultsOf(id), { message: `trace ${id}`, timeout: 40_000 }).toEqual([]);
});
