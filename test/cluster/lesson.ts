import { expect, inject, test } from 'vitest';
import { files, kubectl, type Result, ROUTING, rollOut, run } from './kubectl.ts';
import { health, Visitor } from './visitor.ts';

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
