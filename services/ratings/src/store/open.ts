import { type App, telemetry } from '@bookinfo/chassis';
import type { Config } from '../config.ts';
import type { Store } from './store.ts';

export async function openStore(app: App, config: Config): Promise<Store> {
  const store = await load(config);
  app.addHook('onClose', () => store.close());
  return store;
}

/** Loads one driver at most: together they cost every ratings process 17 MB. */
async function load(config: Config): Promise<Store> {
  switch (config.STORE) {
    case 'mysql':
      await telemetry.instrument('mysql2');
      return (await import('./mysql.ts')).openMySqlStore(config);
    case 'mongodb':
      await telemetry.instrument('mongodb');
      return (await import('./mongodb.ts')).openMongoStore(config);
    case 'memory':
      return (await import('./memory.ts')).openMemoryStore();
  }
}
