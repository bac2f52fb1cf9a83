import { execFile } from 'node:child_process';
import { closeSync, constants, openSync, readSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { promisify, styleText } from 'node:util';
import { openLogDestination } from '@bookinfo/chassis/log-destination';
import { type Bookinfo, startBookinfo } from './bookinfo.ts';
import { textOf } from './log-line.ts';
import { readOptions } from './options.ts';
import { receiveOtlp } from './otlp.ts';
import { createTraceTree } from './trace-tree.ts';
import { WORKLOADS, type Workload } from './workloads.ts';

/** For a terminal that is slow; one that is paused is not waited for any longer. */
const FLUSH_TIMEOUT_MS = 1000;

const options = readOptions();
const started = performance.now();
const starting = new AbortController();
const down = new Set<Workload>();
let bookinfo: Bookinfo | undefined;
let stopping = false;

// All that is printed goes this way: a paused terminal must not stop the page, which is reached through this process.
const output = openLogDestination((dropped) => print(`(${dropped} lines were dropped while nobody read them)`));
const print = (text: string) => output.write(`${text}\n`);
process.once('exit', output.flushSync);

// SIGHUP: the terminal was closed.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => void stop());

// A browser keeps a connection as long as it may, and with it the one version of the page that is behind it.
const workloads = WORKLOADS.filter(({ start }) => start).map((workload) =>
  workload.service === 'productpage'
    ? { ...workload, env: { CONNECTION_LIFETIME_SECONDS: '1', ...workload.env } }
    : workload,
);
const treeOptions = () => ({ verbose: options.verbose === true, columns: process.stdout.columns ?? 80 });
const receiver = options.traces ? await receiveOtlp(createTraceTree(print, treeOptions)) : undefined;
try {
  bookinfo = await startBookinfo({
    workloads,
    port: options.port,
    env: {
      ...inheritedEnvironment(),
      LOG_FORMAT: 'json',
      // Each request, whatever its own trace headers say.
      ...(receiver && { ...receiver.env, OTEL_TRACES_SAMPLER: 'always_on' }),
    },
    onLine(line, workload) {
      const text = textOf(line, workload, options);
      if (text !== undefined) print(text);
    },
    onEnd: goOnWithout,
    signal: starting.signal,
  });
} catch (error) {
  if (stopping) process.exit(0);
  console.error(whyNot(error));
  process.exit(1);
}
printSummary(bookinfo);

/** What is ours to say is where a process listens, what it is called and how it logs. */
function inheritedEnvironment(): Record<string, string> {
  const ours = new Set(['PORT', 'LISTEN_ADDRESS', 'HOSTNAME', 'SERVICES_DOMAIN', 'LOG_FORMAT', 'NODE_OPTIONS']);
  const isTheirs = ([name]: [string, unknown]) => !ours.has(name) && !(options.traces && name.startsWith('OTEL_'));
  return Object.fromEntries(Object.entries(process.env).filter(isTheirs)) as Record<string, string>;
}

function whyNot(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if ('code' in error && error.code === 'EADDRINUSE')
    return `port ${options.port} is in use, choose another one with --port`;
  return error.message;
}

function printSummary({ processes }: Bookinfo): void {
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  const width = Math.max(...processes.map(({ workload }) => workload.name.length));
  const page = `http://localhost:${options.port}/productpage`;
  print('');
  for (const { workload, port, pid } of processes) {
    print(`  ${workload.name.padEnd(width)}  http://127.0.0.1:${port}  pid ${pid}`);
  }
  print(`
Ready after ${seconds} s, until Ctrl-C

  Page  ${styleText('bold', page)}
  Live  ${styleText('bold', `${page}?view=live`)}
`);
}

/** A process that ends does not take the others with it. Who sits before a terminal can start it again. */
async function goOnWithout(workload: Workload, code: number | NodeJS.Signals): Promise<void> {
  if (stopping) return;
  down.add(workload);
  const news = styleText('red', `${workload.name} has ended with ${code}, the others go on.`);
  if (!(await isInForeground())) {
    print(news);
    if (bookinfo?.processes.length === 0) await stop();
    return;
  }
  print(`${news} Press Enter to start it again.`);
  if (down.size === 1) onNextEnter(() => void restart());
}

async function restart(): Promise<void> {
  for (const workload of down) {
    print(`${workload.name} is being started …`);
    try {
      const again = await bookinfo?.restart(workload);
      down.delete(workload);
      print(`${workload.name} runs again: http://127.0.0.1:${again?.port}  pid ${again?.pid}`);
    } catch (error) {
      if (stopping) return;
      print(`${whyNot(error)}\n${styleText('red', `${workload.name} did not start.`)} Press Enter to try again.`);
    }
  }
  if (down.size > 0) onNextEnter(() => void restart());
}

function onNextEnter(listener: () => void): void {
  forgetWhatWasTyped();
  const input = createInterface({ input: process.stdin });
  input.once('line', () => {
    input.close();
    listener();
  });
}

/** Somebody presses Enter now and then just to tell old lines from new ones. */
function forgetWhatWasTyped(): void {
  const terminal = openSync('/dev/tty', constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  try {
    while (readSync(terminal, Buffer.alloc(1024)) > 0);
  } catch {
    // EAGAIN: nothing is left.
  } finally {
    closeSync(terminal);
  }
}

/** Whether what is typed is for us. In the background (`start &`), reading it would stop this process. */
async function isInForeground(): Promise<boolean> {
  if (!process.stdin.isTTY) return false;
  try {
    const { stdout } = await promisify(execFile)('ps', ['-o', 'stat=', '-p', String(process.pid)]);
    return stdout.includes('+');
  } catch {
    return false;
  }
}

/** A second Ctrl-C does not wait any longer. Without a terminal, the exit code tells that something was down. */
async function stop(): Promise<void> {
  if (stopping) process.exit(1);
  stopping = true;
  starting.abort();
  if (!bookinfo) return;
  await bookinfo[Symbol.asyncDispose]();
  await output.flush(FLUSH_TIMEOUT_MS);
  process.exit(down.size > 0 && !process.stdin.isTTY ? 1 : 0);
}
