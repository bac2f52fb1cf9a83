import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { openSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test, vi } from 'vitest';
import { freePort } from '../../local/free-port.ts';
import { http } from '../support/http.ts';

/** What a test that fails leaves behind does not keep the runner waiting. */
const started: number[] = [];
afterAll(() => {
  for (const pid of started) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It has ended.
    }
  }
});

const DETAILS = [process.execPath, '--import', '@bookinfo/chassis/telemetry', 'src/server.ts'];

/** Starts details with its log going somewhere else than to a reader at work. */
async function startDetails(stdout: 'pipe' | number, [program = '', ...args] = DETAILS, env = {}) {
  const port = await freePort();
  const child = spawn(program, args, {
    cwd: fileURLToPath(new URL('../../services/details', import.meta.url)),
    env: { PATH: process.env.PATH ?? '', PORT: String(port), LISTEN_ADDRESS: '127.0.0.1', ...env },
    stdio: ['ignore', stdout, 'inherit'],
  });
  if (child.pid) started.push(child.pid);
  const request = (path: string) => http(`http://127.0.0.1:${port}${path}`);
  await vi.waitFor(() => request('/health'), { timeout: 60_000, interval: 100 });
  return {
    child,
    request,
    /** Asks until the log has lost lines. */
    async overflow(): Promise<void> {
      const path = `/details/${'x'.repeat(900)}`;
      for (let round = 0; round < 60; round++) {
        await Promise.all(Array.from({ length: 100 }, () => request(path)));
        if ((await dropped(request)) > 0) return;
      }
      throw new Error('no line was dropped');
    },
    async stop(): Promise<unknown> {
      const exit = once(child, 'exit');
      child.kill('SIGTERM');
      return (await exit)[0];
    },
  };
}

async function dropped(request: (path: string) => Promise<{ text: string }>): Promise<number> {
  return Number(/^log_lines_dropped_total (\d+)$/m.exec((await request('/metrics')).text)?.[1]);
}

describe.concurrent('a service answers, and stops in order, when its log', { timeout: 120_000 }, () => {
  test('has a reader that has stopped; when that reads on, it learns how many lines are lost', async () => {
    const details = await startDetails('pipe');
    await details.overflow();
    expect(await details.request('/details/0')).toMatchObject({ status: 200 });
    const lost: number[] = [];
    createInterface({ input: details.child.stdout ?? process.stdin }).on('line', (line) => {
      const parsed = JSON.parse(line);
      if (parsed.dropped !== undefined) lost.push(parsed.dropped);
    });
    await vi.waitFor(() => expect(lost).toHaveLength(1), { timeout: 20_000 });
    expect(lost[0]).toBe(await dropped(details.request));
    expect(await details.stop()).toBe(0);
  });

  test('has a reader that never reads on', async () => {
    const details = await startDetails('pipe');
    await details.overflow();
    expect(await details.stop()).toBe(0);
  });

  test.skipIf(process.platform !== 'linux')('goes to a disk that is full', async () => {
    const details = await startDetails(openSync('/dev/full', 'w'));
    await details.request('/details/0');
    await vi.waitFor(async () => expect(await dropped(details.request)).toBeGreaterThan(0));
    expect(await details.request('/details/0')).toMatchObject({ status: 200 });
    expect(await details.stop()).toBe(0);
  });

  const hasScript = spawnSync('script', ['--version']).stdout?.includes('util-linux') ?? false;
  test.skipIf(!hasScript).each([
    ['its own', ''],
    ['that of another session', 'setsid --wait'],
  ])('goes to a paused terminal, %s; a second signal ends it at once', async (_whose, setsid) => {
    const shell = `${setsid} sh -c 'echo $$; exec "$@"' sh ${DETAILS.map((word) => `'${word}'`).join(' ')}`;
    const env = { LOG_FORMAT: 'pretty', SHUTDOWN_DELAY_SECONDS: '3600' };
    // Nobody reads what `script` prints, so nor does it what is printed in its terminal.
    const details = await startDetails('pipe', ['script', '-qec', shell, '/dev/null'], env);
    const pid = Number.parseInt(String(details.child.stdout?.read()), 10);
    started.push(pid);
    await details.overflow();
    expect(await details.request('/details/0')).toMatchObject({ status: 200 });
    process.kill(pid, 'SIGTERM');
    await vi.waitFor(async () => expect(await details.request('/health/ready')).toMatchObject({ status: 503 }));
    process.kill(pid, 'SIGTERM');
    await vi.waitFor(() => expect(details.request('/health')).rejects.toThrow('ECONNREFUSED'), { timeout: 20_000 });
  });
});
