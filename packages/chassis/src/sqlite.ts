import { DatabaseSync, type SQLTagStore } from 'node:sqlite';
import { str } from 'envalid';
import type { App } from './app.ts';
import { ConfigError } from './config.ts';

/** Where a service of its own state keeps it. */
export const databaseSpecs = {
  DATABASE_FILE: str({
    default: ':memory:',
    desc: 'a file that can be written, or :memory:, which ends with the process',
  }),
};

export interface Database {
  /** `` sql.get`SELECT … WHERE id = ${id}` ``: values are bound, never pasted. Also `all`, `run` and `iterate`. */
  sql: SQLTagStore;
  /** All of it is stored, or nothing when it throws. */
  transaction<T>(work: () => T): T;
}

/**
 * Opens the database of a service, with `schema` (`CREATE TABLE IF NOT EXISTS …`) applied, and closes it with the service. What
 * was written survives the process, however that ends.
 * @throws {ConfigError} when the file cannot be opened
 */
export function openDatabase(app: App, { DATABASE_FILE: file }: { DATABASE_FILE: string }, schema: string): Database {
  const db = open(file, schema);
  app.addHook('onClose', async () => db.close());
  return {
    sql: db.createTagStore(),
    transaction(work) {
      db.exec('BEGIN IMMEDIATE');
      try {
        const result = work();
        db.exec('COMMIT');
        return result;
      } catch (error) {
        db.exec('ROLLBACK');
        throw error;
      }
    },
  };
}

function open(file: string, schema: string): DatabaseSync {
  try {
    const db = new DatabaseSync(file);
    db.exec(`PRAGMA journal_mode = WAL; ${schema}`);
    return db;
  } catch (error) {
    throw new ConfigError(
      `DATABASE_FILE is ${JSON.stringify(file)}: ${error instanceof Error ? error.message : error}`,
    );
  }
}
