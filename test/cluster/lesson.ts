import { expect, inject, test } from 'vitest';
import { ask as answerOf, type Check } from '../../lab/checks.ts';
import { connect } from '../../lab/kubectl.ts';
import { Shop } from '../../lab/shop.ts';
import { momentOf } from '../../lab/steps.ts';
import { health, type Look, Visitor, type Wish } from '../../lab/visitor.ts';
import { files, kubectl, type Result, ROUTING, rollOut, run } from './kubectl.ts';

/** The cluster during one lesson: what is applied to it is taken away in the end. */
interface Cluster {
  apply(...names: string[]): Promise<void>;
  /** Applies workloads and waits until all of them serve. Skips the lesson where this cluster cannot run them. */
  deploy(file: string, namespace?: string): Promise<void>;
}

/**
 * A lesson of the course day. It starts from the application with its gateway and its subsets, every version in its
 * turn, and a page that is whole.
 */
export const lesson = test.extend<{ visitor: Visitor; cluster: Cluster }>({
  // biome-ignore lint/correctness/noEmptyPattern: vitest wants a pattern
  visitor: async ({}, use) => use(new Visitor(inject('gateway'))),
  cluster: [
    async ({ visitor, skip }, use) => {
      const obstacle = inject('obstacle');
      if (obstacle) skip(obstacle);
      const applied = new Set<string>();
      const cluster: Cluster = {
        async apply(...names) {
          for (const name of names) applied.add(name);
          await kubectl(['apply', ...files(names)]);
        },
        async deploy(file, namespace) {
          await cluster.apply(file);
          const reason = await rollOut(file, namespace);
          if (reason) skip(reason);
        },
      };
      await expect.poll(async () => health(await visitor.get())).toBe('200');
      try {
        await use(cluster);
      } finally {
        if (applied.size > 0) await kubectl(['delete', '--ignore-not-found', ...files([...applied].reverse())]);
        await kubectl(['apply', ...files(ROUTING)]);
      }
    },
    { auto: true },
  ],
});

/** What is not as these checks want it, each in a sentence. */
async function failing(checks: Check[]): Promise<string[]> {
  const shop = await Shop.open(await connect());
  const found: string[] = [];
  for (const check of checks) {
    const { ok, found: seen, causes = [] } = await answerOf(check, shop);
    if (!ok) found.push([`${check.wanted}: ${seen}`, ...causes].join('; '));
  }
  return found;
}

/** Waits until the cluster does what is wanted: rules take some seconds to arrive everywhere. */
export const sees = (...checks: Check[]): Promise<void> =>
  expect.poll(() => failing(checks), { timeout: 120_000 }).toEqual([]);

/**
 * Waits until a step of docs/lab.md is done, or one of its moments is there, as `npx pnpm@12 lab check` asks a student's
 * cluster for it: recognized by what is declared, and then by what the cluster does.
 */
export async function reaches(step: string, name?: string): Promise<void> {
  const moment = momentOf(step, name);
  if (name) {
    const shop = await Shop.open(await connect());
    const undeclared = moment.checks.filter((it) => it.declared?.(shop) === false).map(({ wanted }) => wanted);
    expect(undeclared, `not by the rules of ${step}, ${name}; unknown: ${shop.unknown}`).toEqual([]);
  }
  await sees(...moment.checks);
}

/** Waits until every page looks so. */
export const seesOnly = (visitor: Visitor, wanted: string, look: Look, wish?: Wish): Promise<void> =>
  expect.poll(() => visitor.tally(12, look, wish)).toEqual({ [wanted]: 12 });

/** What a program in a pod is answered: status and body, or why there was no answer. */
export async function ask(deployment: string, url: string, method = 'GET', namespace = 'default'): Promise<string> {
  const script = `fetch('http://${url}', { method: '${method}', signal: AbortSignal.timeout(9000) })
    .then(async (answer) => console.log(answer.status, await answer.text()), (error) => console.log(error.cause?.code ?? error.name))`;
  const container = deployment.split('-')[0] ?? '';
  const pod = ['exec', `deployment/${deployment}`, `--container=${container}`, `--namespace=${namespace}`];
  return (await kubectl([...pod, '--', 'node', '--eval', script])).trim();
}

/** A pod without a sidecar to send requests from; `curl` gives exit code and status. */
export async function podWithoutSidecar(): Promise<AsyncDisposable & { curl(url: string): Promise<Result> }> {
  const remove = async () => {
    await kubectl(['delete', 'pod', 'plain', '--ignore-not-found', '--grace-period=1']);
  };
  await remove();
  const options = ['--image=bookinfo-ts/ratings:1.0.0', '--labels=sidecar.istio.io/inject=false', '--restart=Never'];
  await kubectl(['run', 'plain', ...options, '--command', '--', 'sleep', '600']);
  await kubectl(['wait', '--for=condition=Ready', 'pod/plain', '--timeout=60s']);
  const curl = ['exec', 'plain', '--', 'curl', '-sS', '-m', '5', '-o', '/dev/null', '-w', '%{http_code}'];
  return { curl: (url) => run('kubectl', [...curl, url]), [Symbol.asyncDispose]: remove };
}
