import { join } from 'node:path';
import { type KubeService, openKubeService } from './kube-service.ts';
import { type ServiceProcess, startService } from './process.ts';
import { SERVICES, type Service, WORKLOADS, type Workload } from './workloads.ts';

export interface BookinfoOptions {
  /** What runs; by default what `npx pnpm@12 start` runs. */
  workloads?: readonly Workload[];
  /** A folder of bundles by the names of services, which run instead of the sources. */
  bundles?: string | undefined;
  /** Environment of all processes. It wins over where services find each other, a workload's own wins over it. */
  env?: Record<string, string>;
  /** Where the page is; 0 for any free port. */
  port?: number;
  /** Every line that a process prints. */
  onLine?(line: string, workload: Workload): void;
  /** A process has ended although nobody disposes of Bookinfo. Its service goes on without it. */
  onEnd?(workload: Workload, code: number | NodeJS.Signals): void;
  /** Aborted while something starts: that is stopped, and `startBookinfo` or `restart` rejects. */
  signal?: AbortSignal;
}

/** Whoever disposes of it waits until every process is gone. */
export interface Bookinfo extends AsyncDisposable {
  /** Where a service is: one port in front of its versions, as a Kubernetes Service. Without a version it hangs up. */
  ports: Record<Service, number>;
  /** Those that run, in the order of `workloads`. */
  processes: readonly RunningWorkload[];
  /**
   * Starts one that has ended once more, behind the name of its service.
   * @throws {Error} when it does not start
   */
  restart(workload: Workload): Promise<RunningWorkload>;
}

export type RunningWorkload = ServiceProcess & { workload: Workload };

/**
 * Runs Bookinfo as processes on loopback and waits until all of them listen.
 * @throws {Error} when the page's port is in use (code EADDRINUSE), or a process does not start; nothing is left behind
 */
export async function startBookinfo({
  workloads = WORKLOADS.filter(({ start }) => start),
  bundles,
  env,
  port = 0,
  onLine,
  onEnd,
  signal,
}: BookinfoOptions = {}): Promise<Bookinfo> {
  await using running = new AsyncDisposableStack();
  const processes: RunningWorkload[] = [];
  let disposing = false;
  // Undone in reverse: signal all, hang up, wait for all.
  running.defer(async () => {
    await Promise.all(processes.map(({ exit }) => exit));
  });
  const services = {} as Record<Service, KubeService>;
  for (const service of SERVICES) {
    services[service] = running.use(await openKubeService(service === 'productpage' ? port : 0));
  }
  const ports = Object.fromEntries(SERVICES.map((service) => [service, services[service].port])) as Bookinfo['ports'];
  const shared = {
    ...Object.assign({}, ...SERVICES.map((service) => backendAt(service, ports[service]))),
    // All versions of productpage must accept each other's sessions.
    SESSION_SECRET: 'only for this machine',
    ...env,
  };
  running.defer(() => {
    disposing = true;
    for (const process of processes) process.kill('SIGTERM');
  });
  const failure = new AbortController();
  const stopped = AbortSignal.any([failure.signal, ...(signal ? [signal] : [])]);
  const start = async (workload: Workload): Promise<RunningWorkload> => {
    const started = await startService(workload.service, {
      // HOSTNAME is the pod's name in Kubernetes; tutorials look for `reviews-v2` in it.
      env: { HOSTNAME: workload.name, ...shared, ...workload.env },
      bundle: bundles && join(bundles, workload.service),
      ...(onLine && { onLine: (line) => onLine(line, workload) }),
      signal: stopped,
    });
    const process = { ...started, workload };
    processes.push(process);
    processes.sort((a, b) => workloads.indexOf(a.workload) - workloads.indexOf(b.workload));
    void process.exit.then((code) => {
      processes.splice(processes.indexOf(process), 1);
      services[workload.service].remove(process.port);
      if (!disposing) onEnd?.(workload, code);
    });
    return process;
  };
  await Promise.all(workloads.map((workload) => start(workload).catch((error) => failure.abort(error))));
  failure.signal.throwIfAborted();
  // Not as they come: the first connection is for the first version.
  for (const { workload, port: endpoint } of processes) services[workload.service].add(endpoint);

  const stack = running.move();
  return {
    ports,
    processes,
    async restart(workload) {
      const process = await start(workload);
      services[workload.service].add(process.port);
      return process;
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

/** Where a service finds a backend on this machine. */
export function backendAt(service: Service, port: number): Record<string, string> {
  const name = service.toUpperCase();
  return { [`${name}_HOSTNAME`]: '127.0.0.1', [`${name}_SERVICE_PORT`]: String(port) };
}
