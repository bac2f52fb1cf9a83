import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { execa } from 'execa';
import { receiveOtlp, type Span } from '../../local/otlp.ts';
import type { ServiceProcess, ServiceProcessOptions } from '../../local/process.ts';
import type { Workload } from '../../local/workloads.ts';
import { eventually, Finding, hold } from './exercise.ts';
import { type Link, openLink } from './link.ts';
import { ask, type Services, tracedThrough } from './services.ts';

/** The services of a tree as processes on loopback, with a link of its own between any two of them. */
export interface Shop extends Services {
  /** Empty at first, removed in the end: for databases. */
  folder: string;
  /**
   * Starts a workload such as `reviews-v2`, also again after `kill`. Its backends are links; `env` wins over all.
   * @throws {Finding} when the tree has none of this name, or it does not start
   */
  start(workload: string, env?: Record<string, string>): Promise<void>;
  /** Starts what `npx pnpm@12 start` starts, each with `env`. */
  startAll(env?: Record<string, string>): Promise<void>;
  /** Resolves when the process is gone. */
  kill(workload: string, signal?: NodeJS.Signals): Promise<void>;
  /** What a running or killed workload has printed. The last lines may be 100 ms late. */
  lines(workload: string): readonly string[];
  /** The hop from a service (or `client`, which is this check) to another one. */
  link(from: string, to: string): Link;
}

interface TreeModules {
  startService(service: string, options: ServiceProcessOptions): Promise<ServiceProcess>;
}

/**
 * Opens the shop of the tree at this path, with nothing in it but what `begin` starts. Ends all of it when that fails.
 * @throws {Finding} of `begin`, or when the tree does not say what its workloads are
 */
export async function openShop(tree: string, signal: AbortSignal, begin: (shop: Shop) => Promise<void>): Promise<Shop> {
  await using stack = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), 'bookinfo-exercise-'));
  stack.defer(() => rm(folder, { recursive: true, force: true }));
  const workloads = await workloadsOf(tree);
  const services = [...new Set(workloads.map(({ service }) => service as string))];
  const { startService } = (await import(pathToFileURL(join(tree, 'local/process.ts')).href)) as TreeModules;
  const spans: Span[] = [];
  const receiver = stack.use(await receiveOtlp((received) => spans.push(...received)));

  const running = new Map<string, ServiceProcess & { service: string }>();
  const given = new Map<string, Record<string, string>>();
  const printed = new Map<string, string[]>();
  const links = new Map<string, Link>();
  for (const to of services) {
    const targets = () => [...running.values()].filter((it) => it.service === to).map(({ port }) => port);
    for (const from of ['client', ...services]) links.set(`${from} ${to}`, stack.use(await openLink(targets)));
  }
  const closing = new AbortController();
  const starting = new Set<Promise<unknown>>();
  stack.defer(async () => {
    closing.abort();
    await Promise.allSettled(starting);
    await Promise.all([...running.keys()].map((name) => shop.kill(name)));
  });

  let owned: AsyncDisposableStack | undefined;
  const shop: Shop = {
    folder,
    async start(name, env = {}) {
      const workload = workloads.find((it) => it.name === name);
      hold(workload !== undefined, {
        expected: `${name} among the workloads of the tree`,
        seen: workloads.map((it) => it.name).join(', '),
        look: 'local/workloads.ts and services/*/workloads.ts',
      });
      const backends = services.flatMap((to) => {
        const variable = to.toUpperCase();
        return [
          [`${variable}_HOSTNAME`, '127.0.0.1'],
          [`${variable}_SERVICE_PORT`, String(shop.link(workload.service, to).port)],
        ];
      });
      given.set(name, env);
      const lines = printed.get(name) ?? [];
      printed.set(name, lines);
      const start = startService(workload.service, {
        env: {
          HOSTNAME: name,
          SESSION_SECRET: 'only for this check',
          ...Object.fromEntries(backends),
          ...receiver.env,
          ...workload.env,
          ...env,
        },
        onLine: (line) => lines.push(line),
        signal: AbortSignal.any([signal, closing.signal]),
      }).then(
        (process) => void running.set(name, { ...process, service: workload.service }),
        (error: unknown) => {
          signal.throwIfAborted();
          throw new Finding({
            expected: `${name} starts`,
            seen: error instanceof Error ? error.message : String(error),
            look: `services/${workload.service}/src`,
          });
        },
      );
      starting.add(start);
      await start.finally(() => starting.delete(start));
    },
    async startAll(env) {
      const names = workloads.filter(({ start }) => start).map(({ name }) => name);
      const outcomes = await Promise.allSettled(names.map((name) => shop.start(name, env)));
      for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
    },
    async kill(name, how = 'SIGKILL') {
      const process = running.get(name);
      running.delete(name);
      process?.kill(how);
      await process?.exit;
    },
    lines: (name) => printed.get(name) ?? [],
    link(from, to) {
      const link = links.get(`${from} ${to}`);
      hold(link !== undefined, {
        expected: `the services ${from} and ${to} in the tree`,
        seen: services.join(', '),
        look: 'local/workloads.ts',
      });
      return link;
    },
    ask: async (service, path, asked = {}) =>
      ask(`http://127.0.0.1:${shop.link('client', service).port}${path}`, asked, service + path, signal),
    async disturb(service, { status, delayMs = 0, methods, share = 1 }, work) {
      const roll = dice(1);
      const hops = services.map((from) => shop.link(from, service));
      const before = hops.map(({ fate }) => fate);
      for (const hop of hops)
        hop.fate = ({ method }) => {
          if ((methods && !methods.includes(method)) || roll() >= share) return 'pass';
          return status === undefined ? { delayMs } : { status };
        };
      return work().finally(() => {
        for (const [i, hop] of hops.entries()) hop.fate = before[i] ?? hop.fate;
      });
    },
    async without(name, work) {
      await shop.kill(name);
      return work().finally(() => shop.start(name, given.get(name)));
    },
    async crash(name) {
      await shop.kill(name);
      await shop.start(name, given.get(name));
    },
    trace(traceId, expected, isWhole) {
      const found = () => spans.filter((span) => span.traceId === traceId);
      return eventually(
        () => (isWhole(found()) ? found() : undefined),
        () => ({ expected, seen: tracedThrough(found()) }),
      );
    },
    [Symbol.asyncDispose]: async () => owned?.disposeAsync(),
  };
  await begin(shop);
  owned = stack.move();
  return shop;
}

/** Starts the first version of a service, with a database in the shop's folder. */
export const startStored = (shop: Shop, service: string, env: Record<string, string> = {}, file = service) =>
  shop.start(`${service}-v1`, { DATABASE_FILE: join(shop.folder, `${file}.db`), ...env });

/** What the tree lists. Asked of a process of its own, for a module that was imported once stays as it was. */
async function workloadsOf(tree: string): Promise<Workload[]> {
  const program = "import('./local/workloads.ts').then(({ WORKLOADS }) => console.log(JSON.stringify(WORKLOADS)))";
  const { exitCode, stdout, stderr } = await execa(process.execPath, ['--eval', program], { cwd: tree, reject: false });
  hold(exitCode === 0, {
    expected: 'local/workloads.ts lists the services',
    seen: stderr.split('\n').find((line) => /Error/.test(line)) ?? stderr,
    look: 'local/workloads.ts and services/*/workloads.ts',
  });
  return JSON.parse(stdout) as Workload[];
}

/** The same numbers in every run: a check that fails fails again. */
export function dice(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_664_525 + 1_013_904_223) % 2 ** 32;
    return state / 2 ** 32;
  };
}
