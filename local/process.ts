import { spawn } from 'node:child_process';
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
  /** Every line it prints; left out, nobody reads them once the service listens. */
  onLine?(line: string): void;
  /** Ends it while it starts. Once it listens, `kill` does. */
  signal?: AbortSignal;
}

/** As in the Dockerfile, which gives the reason. */
const NODE_OPTIONS = '--max-semi-space-size=4';
const END_WITH_PARENT = import.meta.resolve('./end-with-parent.ts');
const START_TIMEOUT_MS = 30_000;
const LISTENING = /Server listening at http:\/\/\S+:(\d+)/;

/**
 * Starts a service as its package.json does, on loopback and any free port, and waits until its log says that it listens
 * (so LOG_LEVEL must let `info` through).
 * @throws {Error} when it exits before that, or takes too long; the text has what it printed
 */
export async function startService(
  service: Service,
  { env, onLine, signal }: ServiceProcessOptions,
): Promise<ServiceProcess> {
  const imports = ['--import', END_WITH_PARENT, '--import', '@bookinfo/chassis/telemetry'];
  const child = spawn(process.execPath, [...imports, 'src/server.ts'], {
    cwd: fileURLToPath(new URL(`../services/${service}`, import.meta.url)),
    env: { PATH: process.env.PATH ?? '', NODE_OPTIONS, PORT: '0', LISTEN_ADDRESS: '127.0.0.1', ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
    // A Ctrl-C in the terminal reaches us alone, and we stop the services in order.
    detached: process.platform !== 'win32',
  });
  const exit = once(child, 'exit').then(([code, name]) => (code ?? name) as number | NodeJS.Signals);
  const abort = () => child.kill('SIGTERM');
  signal?.addEventListener('abort', abort);

  const printed: string[] = [];
  const port = new Promise<number>((resolve) => {
    const readers = [child.stdout, child.stderr].map((input) => createInterface({ input }));
    for (const reader of readers) {
      reader.on('line', (line) => {
        if (printed.length < 20) printed.push(line);
        onLine?.(line);
        const found = LISTENING.exec(line)?.[1];
        if (!found) return;
        resolve(Number(found));
        if (onLine) return;
        for (const r of readers) r.close();
        child.stdout.resume();
        child.stderr.resume();
      });
    }
  });

  const timeout = sleep(START_TIMEOUT_MS, 'did not say that it listens', { ref: false });
  const first = await Promise.race([port, exit.then((code) => `ended with ${code}`), timeout]);
  signal?.removeEventListener('abort', abort);
  if (typeof first === 'string') {
    child.kill('SIGKILL');
    throw new Error(`${service} ${first}:\n${printed.join('\n')}`);
  }
  return { port: first, pid: child.pid ?? 0, exit, kill: (signal) => child.kill(signal) };
}
