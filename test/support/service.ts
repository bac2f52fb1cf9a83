import { afterAll, beforeAll } from 'vitest';

import { type ServiceProcess, startService } from '../../local/process.ts';
import type { Service } from '../../local/workloads.ts';
import { type Answer, http, type Options } from './http.ts';

export type Env = Record<string, string>;

export interface TestedService extends AsyncDisposable, ServiceProcess {
  /** What it has printed so far. */
  lines: string[];
  /** The same, where each line is JSON. */
  log(): Record<string, unknown>[];
  request(path: string, options?: Options): Promise<Answer>;
}

/** Starts a service as a process on any free port, or what was bundled of it. Whoever disposes of it learns of a crash or an unclean exit. */
export async function start(service: Service, env: Env = {}, bundle?: string): Promise<TestedService> {
  const lines: string[] = [];
  const running = await startService(service, { env, bundle, onLine: (line) => lines.push(line) });
  let killed = false;
  return {
    ...running,
    lines,
    log: () => lines.map((line) => JSON.parse(line)),
    request: (path, options) => http(`http://127.0.0.1:${running.port}${path}`, options),
    kill(signal) {
      killed = true;
      running.kill(signal);
    },
    async [Symbol.asyncDispose]() {
      if (killed) return;
      running.kill('SIGTERM');
      const code = await running.exit;
      if (code !== 0) throw new Error(`${service} ended with ${code}:\n${lines.slice(-20).join('\n')}`);
    },
  };
}

/** One service process for all tests of the surrounding `describe` or file. */
export function useService(service: Service, env: () => Env = () => ({})): TestedService {
  return useResource(() => start(service, env()));
}

/** Opens something before the tests of the surrounding `describe` or file and closes it after them. */
export function useResource<T extends AsyncDisposable>(open: () => Promise<T>): T {
  const resource = {} as T;
  beforeAll(async () => {
    Object.assign(resource, await open());
  });
  afterAll(() => resource[Symbol.asyncDispose]?.());
  return resource;
}
