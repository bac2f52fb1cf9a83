import { parseArgs, styleText } from 'node:util';
import { type Bookinfo, startBookinfo } from './bookinfo.ts';
import { receiveOtlp } from './otlp.ts';
import { createTraceTree } from './trace-tree.ts';
import { WORKLOADS } from './workloads.ts';

const USAGE = `Runs the whole of Bookinfo on this machine until Ctrl-C.

Usage: npx pnpm@12 start [options]

  -p, --port PORT   where the page is (default: the variable PORT, else 9080)
      --traces      print every request's trace as a tree
      --quiet       no logs of the services
  -h, --help        this text

Each service version is a process of its own. One port per service name plays the
Kubernetes Service and takes the versions in turn, connection by connection.`;

const options = readOptions();
const started = performance.now();
const starting = new AbortController();
let bookinfo: Bookinfo | undefined;
let stopping = false;

// SIGHUP: the terminal was closed.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => void stop(0));

const receiver = options.traces ? await receiveOtlp(createTraceTree((text) => console.log(text))) : undefined;
const width = Math.max(...WORKLOADS.filter(({ start }) => start).map(({ name }) => name.length));
try {
  bookinfo = await startBookinfo({
    port: options.port,
    env: { LOG_FORMAT: 'pretty', ...(process.stdout.isTTY && { FORCE_COLOR: '1' }), ...receiver?.env },
    onLine: (line, { name }) => options.quiet || console.log(`${styleText('cyan', name.padEnd(width))} ${line}`),
    signal: starting.signal,
  });
} catch (error) {
  if (stopping) process.exit(0);
  console.error(whyNot(error));
  process.exit(1);
}
for (const { workload, exit } of bookinfo.processes) {
  void exit.then((code) => {
    if (stopping) return;
    console.error(`${workload.name} ended unexpectedly with ${code}, stopping the others`);
    void stop(1);
  });
}
printSummary(bookinfo);

function whyNot(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if ('code' in error && error.code === 'EADDRINUSE')
    return `port ${options.port} is in use, choose another one with --port`;
  return error.message;
}

function printSummary({ processes }: Bookinfo): void {
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  const rows = processes.map(
    ({ workload, port, pid }) => `  ${workload.name.padEnd(width)}  http://127.0.0.1:${port}  pid ${pid}`,
  );
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

/** A second Ctrl-C does not wait any longer. */
async function stop(code: number): Promise<void> {
  if (stopping) process.exit(1);
  stopping = true;
  starting.abort();
  if (!bookinfo) return;
  await bookinfo[Symbol.asyncDispose]();
  process.exit(code);
}

function readOptions() {
  try {
    const { values } = parseArgs({
      options: {
        port: { type: 'string', short: 'p', default: process.env.PORT || '9080' },
        traces: { type: 'boolean', default: false },
        quiet: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
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
