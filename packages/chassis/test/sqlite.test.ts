import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { ConfigError } from '../src/index.ts';
import { type Database, openDatabase } from '../src/sqlite.ts';
import { openFixture } from './fixture/server.ts';

const folder = mkdtempSync(join(tmpdir(), 'bookinfo-sqlite-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const SCHEMA = 'CREATE TABLE IF NOT EXISTS stars (reviewer TEXT PRIMARY KEY, stars INTEGER NOT NULL) STRICT';
const starsIn = ({ sql }: Database) => sql.all`SELECT * FROM stars ORDER BY reviewer`.map((row) => ({ ...row }));

test('a database has what was written when the service opens it again', async () => {
  const config = { DATABASE_FILE: join(folder, 'stars.db') };
  {
    await using app = await openFixture();
    const { sql } = openDatabase(app, config, SCHEMA);
    sql.run`INSERT INTO stars VALUES (${"Robert'); DROP TABLE stars;--"}, ${5})`;
  }
  await using app = await openFixture();
  expect(starsIn(openDatabase(app, config, SCHEMA))).toEqual([{ reviewer: "Robert'); DROP TABLE stars;--", stars: 5 }]);
});

test('a transaction that throws leaves nothing behind, and the next one works', async () => {
  await using app = await openFixture();
  const database = openDatabase(app, { DATABASE_FILE: ':memory:' }, SCHEMA);
  const failing = () =>
    database.transaction(() => {
      database.sql.run`INSERT INTO stars VALUES ('Reviewer1', 5)`;
      throw new Error('halfway');
    });
  expect(failing).toThrow('halfway');
  expect(starsIn(database)).toEqual([]);
  database.transaction(() => database.sql.run`INSERT INTO stars VALUES ('Reviewer2', 4)`);
  expect(starsIn(database)).toEqual([{ reviewer: 'Reviewer2', stars: 4 }]);
});

test('a file that cannot be opened is a wrong environment, which is said in one line', async () => {
  await using app = await openFixture();
  const DATABASE_FILE = join(folder, 'no such folder', 'stars.db');
  const opening = () => openDatabase(app, { DATABASE_FILE }, SCHEMA);
  expect(opening).toThrow(ConfigError);
  expect(opening).toThrow(/^DATABASE_FILE is ".*": unable to open database file$/);
});
