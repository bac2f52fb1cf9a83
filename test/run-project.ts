import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { constants } from 'node:os';
import { join } from 'node:path';

/**
 * Runs a project of on-demand.config.ts, and sets the exit code of this process. The tests are a process group of their
 * own: Ctrl-C, or the terminal that closes, comes to us alone; we end them, and `around` puts back what they have changed.
 * @param options for vitest
 */
export async function runProject(
  name: string,
  options: readonly string[],
  around: (run: () => Promise<void>) => Promise<void> = (run) => run(),
): Promise<void> {
  let running: ChildProcess | undefined;
  let interruptedBy: NodeJS.Signals | undefined;
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.on(signal, () => {
      interruptedBy = signal;
      if (running?.pid) process.kill(-running.pid, 'SIGTERM');
    });
  // The terminal may be closed: what is printed then is nobody's loss, what is not put back would be.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});
  await around(async () => {
    if (interruptedBy) return;
    const vitest = ['run', '--config=test/on-demand.config.ts', `--project=${name}`, ...options];
    const root = join(import.meta.dirname, '..');
    running = spawn(join(root, 'node_modules/.bin/vitest'), vitest, { cwd: root, stdio: 'inherit', detached: true });
    const [code] = (await once(running, 'exit')) as [number | null];
    process.exitCode = code ?? 1;
  });
  if (interruptedBy) process.exitCode = 128 + constants.signals[interruptedBy];
}
