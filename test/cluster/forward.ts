import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

/** A port of this machine that leads to port 80 of `pod/NAME` or `service/NAME`, as long as it is used. */
export async function forward(target: string): Promise<AsyncDisposable & { url: string }> {
  const child = spawn('kubectl', ['port-forward', target, ':80'], { stdio: ['ignore', 'pipe', 'inherit'] });
  for await (const line of createInterface(child.stdout)) {
    const url = `http://127.0.0.1:${line.match(/127\.0\.0\.1:(\d+)/)?.[1]}`;
    return { url, [Symbol.asyncDispose]: async () => void child.kill() };
  }
  throw new Error(`${target} cannot be forwarded to`);
}
