/**
 * Goes through the course day of docs/lab.md on the cluster that kubectl points to, and checks what a student is told
 * to see. Works in the namespace `default`, with the Bookinfo that runs there or, without one, with its own. In the end
 * the namespace has the routing and the workloads that it had before.
 */

import { parseArgs } from 'node:util';
import { prepare, restore, snapshot } from './course-day/before-and-after.ts';
import { exists, kubectl, reset, run } from './course-day/cluster.ts';
import { databases } from './course-day/databases.ts';
import { faults } from './course-day/faults.ts';
import { gatewayApi } from './course-day/gateway-api.ts';
import { isolation } from './course-day/isolation.ts';
import type { Lesson } from './course-day/lesson.ts';
import { metrics } from './course-day/metrics.ts';
import { overload } from './course-day/overload.ts';
import { get, health } from './course-day/pages.ts';
import { counts, eventually, record, Skip } from './course-day/results.ts';
import { rollingRestart } from './course-day/rolling-restart.ts';
import { routing } from './course-day/routing.ts';
import { security } from './course-day/security.ts';
import { session } from './course-day/session.ts';
import { theWayIn } from './course-day/the-way-in.ts';
import { traces } from './course-day/traces.ts';

async function gatewayUrl(): Promise<string> {
  if (process.env.GATEWAY_URL) return `http://${process.env.GATEWAY_URL.replace(/^http:\/\//, '')}`;
  const address = '{.status.loadBalancer.ingress[0].ip}{.status.loadBalancer.ingress[0].hostname}';
  const service = ['get', 'service', 'istio-ingressgateway', '--namespace=istio-system'];
  return `http://${(await kubectl([...service, `--output=jsonpath=${address}`])) || 'localhost'}`;
}

async function whyNot(): Promise<string | undefined> {
  const { code, output } = await run('kubectl', ['get', 'namespaces', '--request-timeout=10s']);
  if (code !== 0) return `no cluster answers: ${output.trim().split('\n').at(-1)}`;
  const istio = await exists('deployment/istiod', '--namespace=istio-system');
  return istio ? undefined : 'Istio is not installed: istioctl install -f istio/mesh-config.yaml -y';
}

const lessons: Lesson[] = [
  ...theWayIn,
  ...routing,
  ...faults,
  ...overload,
  ...metrics,
  ...security,
  ...databases,
  ...isolation,
  ...rollingRestart,
  ...traces,
  ...gatewayApi,
];

const USAGE = `test/lab [--only NAME,NAME]   goes through the course day on the cluster that kubectl points to

GATEWAY_URL is where the ingress gateway answers; without it, the address of its Service.

${lessons.map(({ name, title }) => `  ${name.padEnd(19)}${title}`).join('\n')}`;

/** What `--only` names, else all. Other words are answered with the usage and exit 2. */
function chosenLessons(): string[] {
  try {
    const { values } = parseArgs({ options: { only: { type: 'string' }, help: { type: 'boolean', short: 'h' } } });
    if (values.help) {
      console.log(USAGE);
      process.exit(0);
    }
    const names = values.only?.split(',') ?? lessons.map(({ name }) => name);
    const unknown = names.filter((name) => !lessons.some((lesson) => lesson.name === name));
    if (unknown.length > 0) throw new Error(`no lesson is called ${unknown.join(', ')}`);
    return names;
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${USAGE}`);
    process.exit(2);
  }
}

async function main(): Promise<void> {
  const names = chosenLessons();

  const reason = await whyNot();
  if (reason) {
    console.log(`test/lab was skipped: ${reason}`);
    console.log('0 passed, 0 failed, 1 skipped');
    return;
  }
  session.gateway = await gatewayUrl();
  const before = await snapshot();
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => {
      session.interrupted = true;
    });
  try {
    await prepare();
    for (const { name, title, teach } of lessons.filter((lesson) => names.includes(lesson.name))) {
      console.log(`${name}: ${title}`);
      try {
        await eventually(get, (page) => health(page) === '200');
        await teach();
      } catch (error) {
        record(error instanceof Skip ? 'skipped' : 'failed', (error as Error).message);
      }
      if (session.interrupted) break;
      await reset();
    }
  } finally {
    await restore(before);
  }
  console.log(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
  if (counts.failed > 0) process.exitCode = 1;
}

await main();
