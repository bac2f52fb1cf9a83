import { startBookinfo } from '../../local/bookinfo.ts';
import { SERVICES, type Service, workloads } from '../../local/workloads.ts';
import { PLANTED } from './cases.ts';
import type { Target } from './fuzzer.ts';

const ALL = workloads('productpage-v1', 'details-v1', 'reviews-v3', 'ratings-v1');

/** One process of each service, all of them with secrets that nobody may ever see. */
export async function startTargets(): Promise<Record<Service, Target> & AsyncDisposable> {
  const lines: string[] = [];
  const bookinfo = await startBookinfo({
    workloads: ALL,
    env: { SESSION_SECRET: `${PLANTED}-session`, MYSQL_DB_PASSWORD: `${PLANTED}-database` },
    onLine: (line) => lines.push(line),
  });
  const targets = Object.fromEntries(
    SERVICES.map((service) => {
      const found = bookinfo.processes.find(({ workload }) => workload.service === service);
      return [service, { port: found?.port ?? 0, exit: found?.exit, lines }];
    }),
  ) as Record<Service, Target>;
  return { ...targets, [Symbol.asyncDispose]: () => bookinfo[Symbol.asyncDispose]() };
}
