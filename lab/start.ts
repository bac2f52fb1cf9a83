import { parseArgs, styleText } from 'node:util';
import { type Front, openFront } from './front.ts';
import { receiveOtlp } from './otlp.ts';
import { type ServiceProcess, startService } from './process.ts';
import { createTraceTree } from './trace-tree.ts';
import { SERVICES, type Service, WORKLOADS } from './workloads.ts';

const USAGE = `Runs the whole of Bookinfo on this machine until Ctrl-C.

Usage: pnpm start [options]

  --port PORT   where the page is (default 9080)
  --traces      print every request's trace as a tree
  --quiet       no logs of the services
  --help        this text

Each service version is a process of its own. One port per service name plays the
Kubernetes Service and takes the versions in turn, connection by connection.`;

const options = readOptions();
const started = performance.now();
const fronts = new Map<Service, Front>();
const processes: { name: string; process: ServiceProcess }[] = [];
let stopping = false;

process.on('SIGINT', () => void stop(0));
process.on('SIGTERM', () => void stop(0));

const receiver = options.traces ? await receiveOtlp(createTraceTree((text) => console.log(text))) : undefined;
for (const service of SERVICES) {
  try {
    fronts.set(service, await openFront(service === 'productpage' ? options.port : 0));
  } catch (error) {
    fail(error, `port ${options.port} is in use, choose another one with --port`);
  }
}

const width = Math.max(...WORKLOADS.map(({ name }) => name.length));
try {
  await Promise.all(
    WORKLOADS.map(async ({ name, service, env }) => {
      const tag = styleText('cyan', name.padEnd(width));
      const running = await startService(service, {
        env: { ...commonEnv(), ...env },
        onLine: (line) => options.quiet || console.log(`${tag} ${line}`),
      });
      processes.push({ name, process: running });
      fronts.get(service)?.add(running.port);
      void running.exit.then((code) => {
        if (stopping) return;
        console.error(`${name} ended unexpectedly with ${code}, stopping the others`);
        void stop(1);
      });
    }),
  );
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  await stop(1);
}
printSummary();

function commonEnv(): Record<string, string> {
  const at = (service: Service) => ({
    [`${service.toUpperCase()}_HOSTNAME`]: '127.0.0.1',
    [`${service.toUpperCase()}_SERVICE_PORT`]: String(fronts.get(service)?.port),
  });
  return {
    ...at('details'),
    ...at('reviews'),
    ...at('ratings'),
    LOG_FORMAT: 'pretty',
    // Both versions of productpage must accept each other's sessions.
    SESSION_SECRET: 'only for this machine',
    ...(process.stdout.isTTY && { FORCE_COLOR: '1' }),
    ...(receiver && {
      OTEL_EXPORTER_OTLP_ENDPOINT: receiver.endpoint,
      OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
      OTEL_BSP_SCHEDULE_DELAY: '200',
    }),
  };
}

function printSummary(): void {
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  const rows = processes
    .toSorted((a, b) => a.name.localeCompare(b.name))
    .map(({ name, process: { port, pid } }) => `  ${name.padEnd(width)}  http://127.0.0.1:${port}  pid ${pid}`);
  console.log(
    [
      '',
      ...rows,
      '',
      `Ready after ${seconds} s: ${styleText('bold', `http://localhost:${options.port}/productpage`)}  (Ctrl-C stops it)`,
      '',
    ].join('\n'),
  );
}

async function stop(code: number): Promise<never> {
  if (stopping) process.exit(1);
  stopping = true;
  for (const front of fronts.values()) front.close();
  for (const { process: running } of processes) running.kill('SIGTERM');
  await Promise.all(processes.map(({ process: running }) => running.exit));
  process.exit(code);
}

function readOptions() {
  try {
    const { values } = parseArgs({
      options: {
        port: { type: 'string', default: process.env.PORT || '9080' },
        traces: { type: 'boolean', default: false },
        quiet: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    });
    if (values.help) {
      console.log(USAGE);
      process.exit(0);
    }
    const port = Number(values.port);
    if (!Number.isInteger(port) || port < 1 || port > 65535) throw new Error(`--port ${values.port}: not a TCP port`);
    return { ...values, port };
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : error}\n\n${USAGE}`);
    process.exit(2);
  }
}

function fail(error: unknown, message: string): never {
  if (!(error instanceof Error && 'code' in error && error.code === 'EADDRINUSE')) throw error;
  console.error(message);
  process.exit(1);
}
