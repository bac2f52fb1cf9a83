import type { FastifyBaseLogger } from 'fastify';
import type { Config } from '../config.ts';
import type { Store } from './store.ts';

/** Loads one driver at most: together they cost every ratings process 17 MB. */
export async function openStore(config: Config, log: FastifyBaseLogger): Promise<Store> {
  switch (config.STORE) {
    case 'mysql':
      return (await import('./mysql.ts')).openMySqlStore(config, log);
    case 'mongodb':
      return (await import('./mongodb.ts')).openMongoStore(config, log);
    default:
      return (await import('./memory.ts')).openMemoryStore();
  }
}
