import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Service } from './workloads.ts';

export interface ServiceProcess {
  /** Where it listens. */
  port: number;
  pid: number;
  /** Resolves with the exit code, or the signal that killed it. */
  exit: Promise<number | NodeJS.Signals>;
  kill(signal: NodeJS.Signals): void;
}

export interface ServiceProcessOptions {
  env: Record<string, string>;
  /** Where the bundle of a service is that runs instead of its sources. */
  bundle?: string | undefined;
  /** Every line it prints; left out, nobody reads them once the service listens. */
  onLine?(line: string): void;
  /** Ends it while it starts. Once it listens, `kill` does. */
  signal?: AbortSignal;
}

/** As in the Dockerfile, which gives the reasons. */
export const MEMORY_BOUNDS = {
  NODE_OPTIONS: '--max-semi-space-size=4 --max-old-space-size=96',
  MALLOC_ARENA_MAX: '2',
  MALLOC_TRIM_THRESHOLD_: '131072',
};
const PRELOAD = import.meta.resolve('./preload.js');
const START_TIMEOUT_MS = 60_000;

/**
 * Starts a service as its package.json does, or as its image does, on loopback and any free port, and waits until it listens.
 * @throws {Error} when it exits before that, or takes too long; the text has what it printed
 */
export async function startService(
  service: Service,
  { env, bundle, onLine, signal }: ServiceProcessOptions,
): Promise<ServiceProcess> {
  const [register, server] = bundle
    ? ['./dist/register.js', 'dist/server.js']
    : ['@bookinfo/chassis/telemetry', 'src/server.ts'];
  const child = spawn(process.execPath, ['--import', PRELOAD, '--import', register, server], {
    cwd: bundle ?? fileURLToPath(new URL(`../services/${service}`, import.meta.url)),
    env: { PATH: process.env.PATH ?? '', ...MEMORY_BOUNDS, PORT: '0', LISTEN_ADDRESS: '127.0.0.1', ...env },
    stdio: ['pipe', 'pipe', 'pipe', 'ipc'],
    // A Ctrl-C in the terminal reaches us alone, and we stop the services in order.
    detached: process.platform !== 'win32',
  }) as ChildProcessWithoutNullStreams;
  const closed = once(child, 'close');
  const exit = once(child, 'exit').then(([code, name]) => (code ?? name) as number | NodeJS.Signals);
  const abort = () => child.kill('SIGTERM');
  signal?.addEventListener('abort', abort);

  const printed: string[] = [];
  const readers = [child.stdout, child.stderr].map((input) => createInterface({ input }));
  for (const reader of readers) {
    reader.on('line', (line) => {
      if (printed.length < 20) printed.push(line);
      onLine?.(line);
    });
  }
  const port = once(child, 'message').then(([message]) => (message as { port: number }).port);

  const timeout = sleep(START_TIMEOUT_MS, 'does not listen', { ref: false });
  const first = await Promise.race([port, exit.then((code) => `ended with ${code}`), timeout]);
  signal?.removeEventListener('abort', abort);
  if (typeof first === 'string') {
    child.kill('SIGKILL');
    await closed;
    throw new Error(`${service} ${first}:\n${printed.join('\n')}`);
  }
  if (!onLine) {
    for (const reader of readers) reader.close();
    child.stdout.resume();
    child.stderr.resume();
  }
  return { port: first, pid: child.pid ?? 0, exit, kill: (signal) => child.kill(signal) };
}
