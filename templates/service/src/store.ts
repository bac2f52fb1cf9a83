import type { App } from '@bookinfo/chassis';
import { openDatabase } from '@bookinfo/chassis/sqlite';
import type { Config } from './config.ts';

const SCHEMA = 'CREATE TABLE IF NOT EXISTS texts (id INTEGER PRIMARY KEY, text TEXT NOT NULL)';

export interface Store {
  find(id: number): { text: string } | undefined;
  put(id: number, text: string): void;
}

/** In DATABASE_FILE, which without a setting ends with the process. */
export function openStore(app: App, config: Config): Store {
  const { sql } = openDatabase(app, config, SCHEMA);
  return {
    find: (id) => sql.get`SELECT text FROM texts WHERE id = ${id}` as { text: string } | undefined,
    put: (id, text) =>
      void sql.run`INSERT INTO texts VALUES (${id}, ${text}) ON CONFLICT (id) DO UPDATE SET text = excluded.text`,
  };
}
