import { type App, callerOf, connectBackend } from '@bookinfo/chassis';
import { BookDetails } from '@bookinfo/contract'; // for each of --calls
import type { FastifyRequest } from 'fastify';
import type { Config } from './config.ts';

/** For one try at any of them. */
const TIMEOUT_MS = 2000;

export interface Backends {
  /** The names of those that have answered for a product. */
  answering(productId: number, request: FastifyRequest): Promise<string[]>;
}

export function connectBackends(app: App, config: Config): Backends {
  const backends = {
    details: connectBackend(app, config, 'DETAILS', { route: '/details/{productId}', schema: BookDetails, timeoutMs: TIMEOUT_MS }), // for each of --calls
  };

  return {
    async answering(productId, request) {
      const caller = callerOf(request);
      const names = Object.entries(backends).map(async ([name, backend]) => {
        const answer = await backend.get({ productId }, caller);
        return answer.ok ? [name] : [];
      });
      return (await Promise.all(names)).flat();
    },
  };
}
