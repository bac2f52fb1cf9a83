import { type KubeService, openKubeService } from './kube-service.ts';
import { type ServiceProcess, startService } from './process.ts';
import { SERVICES, type Service, WORKLOADS, type Workload } from './workloads.ts';

export interface BookinfoOptions {
  /** What runs; by default what `npx pnpm@12 start` runs. */
  workloads?: readonly Workload[];
  /** Environment of all processes. It wins over where services find each other, a workload's own wins over it. */
  env?: Record<string, string>;
  /** Where the page is; 0 for any free port. */
  port?: number;
  /** Every line that a process prints. */
  onLine?(line: string, workload: Workload): void;
  /** Aborted while it starts: what has started is stopped, and `startBookinfo` rejects. */
  signal?: AbortSignal;
}

/** Whoever disposes of it waits until every process is gone. */
export interface Bookinfo extends AsyncDisposable {
  /** Where a service is: one port in front of its versions, as a Kubernetes Service. Without a version it hangs up. */
  ports: Record<Service, number>;
  /** In the order of `workloads`. */
  processes: readonly (ServiceProcess & { workload: Workload })[];
}

/**
 * Runs Bookinfo as processes on loopback and waits until all of them listen.
 * @throws {Error} when the page's port is in use (code EADDRINUSE), or a process does not start; nothing is left behind
 */
export async function startBookinfo({
  workloads = WORKLOADS.filter(({ start }) => start),
  env,
  port = 0,
  onLine,
  signal,
}: BookinfoOptions = {}): Promise<Bookinfo> {
  await using running = new AsyncDisposableStack();
  const processes: Bookinfo['processes'][number][] = [];
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
    for (const process of processes) process.kill('SIGTERM');
  });
  const failure = new AbortController();
  const stopped = AbortSignal.any([failure.signal, ...(signal ? [signal] : [])]);
  const start = async (workload: Workload) => {
    const process = await startService(workload.service, {
      // HOSTNAME is the pod's name in Kubernetes; tutorials look for `reviews-v2` in it.
      env: { HOSTNAME: workload.name, ...shared, ...workload.env },
      ...(onLine && { onLine: (line) => onLine(line, workload) }),
      signal: stopped,
    });
    processes.push({ ...process, workload });
  };
  await Promise.all(workloads.map((workload) => start(workload).catch((error) => failure.abort(error))));
  failure.signal.throwIfAborted();
  processes.sort((a, b) => workloads.indexOf(a.workload) - workloads.indexOf(b.workload));
  for (const { workload, port: endpoint } of processes) services[workload.service].add(endpoint);

  const stack = running.move();
  return { ports, processes, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

/** Where a service finds a backend on this machine. */
export function backendAt(service: Service, port: number): Record<string, string> {
  const name = service.toUpperCase();
  return { [`${name}_HOSTNAME`]: '127.0.0.1', [`${name}_SERVICE_PORT`]: String(port) };
}
