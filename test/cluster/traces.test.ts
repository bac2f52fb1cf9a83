import { expect } from 'vitest';
import { connect } from '../../lab/kubectl.ts';
import { gaps, jaegerOf, traceById } from '../../lab/trace.ts';
import { content, traceOf } from '../../lab/visitor.ts';
import { exists } from './kubectl.ts';
import { lesson, seesOnly } from './lesson.ts';

lesson('traces: one request is one tree in Jaeger, of services and proxies', async ({ cluster, visitor, skip }) => {
  if (!(await exists('service/tracing', '--namespace=istio-system'))) skip('Jaeger is not installed');
  await cluster.apply('istio/virtual-service-reviews-v3.yaml');
  await seesOnly(visitor, 'v3, red stars', content);
  const jaeger = await jaegerOf(await connect());
  for (const page of await visitor.ask(5, {}, 1)) {
    const id = traceOf(page) ?? 'none on the page';
    const missing = async () => gaps(await traceById(jaeger, id));
    await expect.poll(missing, { message: `trace ${id}`, timeout: 40_000 }).toEqual([]);
  }
});
