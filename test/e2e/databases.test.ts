import { globSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import { newTraceId, openCollector, sampled } from '../support/collector.ts';
import { createMariaDb, createMongoDb, type Database, mariaDbPath, mongoDbPath } from '../support/databases.ts';
import { type Env, start, type TestedService, useResource, useService } from '../support/service.ts';

if (!mariaDbPath || !mongoDbPath) {
  const missing = 'mariadbd, or mongod or ferretdb, is not installed; test/install-databases does it';
  if (process.env.CI === 'true') throw new Error(missing);
  console.warn(`tests with a database are skipped: ${missing}`);
}

const NOT_CONNECTED = '{"error":"could not connect to ratings database"}';
const read = async (ratings: TestedService) => {
  const { status, text } = await ratings.request('/ratings/0');
  return [status, text];
};
const stars = (ratings: object) => [200, JSON.stringify({ id: 0, ratings })];
const SEEDED = stars({ Reviewer1: 5, Reviewer2: 4 });

const started = async <D extends Database>(database: D) => {
  await database.start();
  await database.seed();
  return database;
};

/** What holds for both databases. */
function answersFrom(database: Database) {
  const ratings = useService('ratings', () => database.env);
  beforeEach(() =>
    database.fill([
      { id: 1, rating: 5 },
      { id: 2, rating: 4 },
    ]),
  );

  test('reads what the seed file has put there', async () => {
    await database.fill([]);
    await database.seed();
    expect(await read(ratings)).toEqual(SEEDED);
    expect((await ratings.request('/ratings/7')).json).toMatchObject({ id: 7, ratings: { Reviewer1: 5 } });
  });

  test('keeps what is there when it is seeded again', async () => {
    await database.fill([{ id: 1, rating: 1 }]);
    await database.seed();
    expect(await read(ratings)).toEqual(stars({ Reviewer1: 1, Reviewer2: 4 }));
  });

  test('reads a change at once', async () => {
    await database.fill([
      { id: 1, rating: 2 },
      { id: 2, rating: 3 },
    ]);
    expect(await read(ratings)).toEqual(stars({ Reviewer1: 2, Reviewer2: 3 }));
  });

  test('reads in the order of the keys, and the first two rows', async () => {
    await database.fill([
      { id: 30, rating: 3 },
      { id: 2, rating: 2 },
      { id: 1, rating: 1 },
    ]);
    expect(await read(ratings)).toEqual(stars({ Reviewer1: 1, Reviewer2: 2 }));
  });

  test('has no stars where there are no rows, and one reviewer where there is one', async () => {
    await database.fill([]);
    expect(await read(ratings)).toEqual(stars({}));
    await database.fill([{ id: 1, rating: 3 }]);
    expect(await read(ratings)).toEqual(stars({ Reviewer1: 3 }));
  });

  test('stores nothing, but checks what is posted', async () => {
    const post = async (id: string, body: string) => {
      const { status, text } = await ratings.request(`/ratings/${id}`, { method: 'POST', body });
      return [status, text];
    };
    expect(await post('0', '{"Reviewer1":1}')).toEqual([
      501,
      '{"error":"Post not implemented for database backed ratings"}',
    ]);
    expect(await post('x', '{"Reviewer1":1}')).toEqual([400, '{"error":"please provide numeric product ID"}']);
    expect(await post('0', '{"Reviewer1"')).toEqual([400, '{"error":"please provide valid ratings JSON"}']);
    expect(await read(ratings)).toEqual(SEEDED);
  });

  test('serves many requests at a time', async () => {
    const answers = await Promise.all(Array.from({ length: 50 }, () => read(ratings)));
    for (const answer of answers) expect(answer).toEqual(SEEDED);
  });

  test('recovers without a restart when the database is killed and comes back', async () => {
    expect(await read(ratings)).toEqual(SEEDED);
    await database.signal('SIGKILL');
    await vi.waitFor(async () => expect(await read(ratings)).toEqual([500, NOT_CONNECTED]), { timeout: 20_000 });
    expect((await ratings.request('/health')).status).toBe(200);
    await database.start();
    await vi.waitFor(async () => expect(await read(ratings)).toEqual(SEEDED), { timeout: 20_000 });
  });

  test('answers 500 while the database hangs, and recovers', async () => {
    await vi.waitFor(async () => expect(await read(ratings)).toEqual(SEEDED));
    await database.signal('SIGSTOP');
    try {
      // 2 s each; reviews v2 waits for 10 s.
      for (let i = 0; i < 2; i++) {
        const [status, text] = await read(ratings);
        expect(status).toBe(500);
        expect(text).toMatch(/^\{"error":"could not (connect to ratings database|perform select)"\}$/);
      }
    } finally {
      await database.signal('SIGCONT');
    }
    await vi.waitFor(async () => expect(await read(ratings)).toEqual(SEEDED), { timeout: 40_000 });
  });

  test('asks the database in a span below the one of the request', async () => {
    await using collector = await openCollector();
    await using ratings = await start('ratings', { ...database.env, ...collector.env });
    await vi.waitFor(async () => expect(await read(ratings)).toEqual(SEEDED));
    const traceId = newTraceId();
    await ratings.request('/ratings/0', { headers: sampled(traceId) });
    const spans = await collector.trace(traceId, 2);
    const server = spans.find(({ kind }) => kind === 2);
    const query = spans.find(({ attributes }) => attributes['db.system.name'] ?? attributes['db.system']);
    expect(query).toMatchObject({ kind: 3, parentSpanId: server?.spanId });
  });

  test('starts before the database does', async () => {
    await database.signal('SIGKILL');
    await using early = await start('ratings', database.env);
    expect(await read(early)).toEqual([500, NOT_CONNECTED]);
    await database.start();
    await vi.waitFor(async () => expect(await read(early)).toEqual(SEEDED), { timeout: 20_000 });
  });
}

/** What it has logged, once the failure is in it: lines gather for a moment before they are written. */
async function logOfFailure({ lines }: TestedService): Promise<string> {
  await vi.waitFor(() => expect(lines.join('\n')).toContain('"level":"error"'));
  return lines.join('\n');
}

describe.skipIf(!mariaDbPath)('ratings with MariaDB (skipped where mariadbd is not installed)', () => {
  const database = useResource(async () => started(await createMariaDb()));
  answersFrom(database);

  const asked = async (env: Env) => {
    await using ratings = await start('ratings', { ...database.env, ...env });
    const answer = await read(ratings);
    return { answer, log: answer[0] === 200 ? '' : await logOfFailure(ratings) };
  };

  test('signs in with a password, and says that it cannot connect with a wrong one, but not with which', async () => {
    await database.query("CREATE USER reader IDENTIFIED BY 'right-secret'; GRANT SELECT ON test.* TO reader");
    const signIn = (password: string) => asked({ MYSQL_DB_USER: 'reader', MYSQL_DB_PASSWORD: password });
    expect((await signIn('right-secret')).answer).toEqual(SEEDED);
    const { answer, log } = await signIn('wrong-secret');
    expect(answer).toEqual([500, NOT_CONNECTED]);
    expect(log).not.toContain('wrong-secret');
  });

  test('could not perform select when the table is missing', async () => {
    await database.query('RENAME TABLE test.ratings TO test.elsewhere');
    expect((await asked({})).answer).toEqual([500, '{"error":"could not perform select"}']);
    await database.query('RENAME TABLE test.elsewhere TO test.ratings');
  });

  test('keeps a bounded number of connections', async () => {
    await database.query('FLUSH STATUS');
    await using ratings = await start('ratings', database.env);
    await Promise.all(Array.from({ length: 200 }, () => read(ratings)));
    const [status] = (await database.query("SHOW STATUS LIKE 'Max_used_connections'")) as [{ Value: string }];
    // Ten of this process, ten of the other tests' one, and ours.
    expect(Number(status.Value)).toBeLessThanOrEqual(21);
  });
});

describe.skipIf(!mongoDbPath)('ratings with MongoDB (skipped where neither mongod nor ferretdb is installed)', () => {
  const database = useResource(async () => started(await createMongoDb()));
  answersFrom(database);

  test('says that it cannot connect when it is not let in, and not with which password', async () => {
    const url = database.env.MONGO_DB_URL?.replace('://', '://nobody:wrong-secret@') ?? '';
    await using ratings = await start('ratings', { ...database.env, MONGO_DB_URL: url });
    expect(await read(ratings)).toEqual([500, NOT_CONNECTED]);
    expect(await logOfFailure(ratings)).not.toContain('wrong-secret');
  });

  test.runIf(mongoDbPath?.endsWith('ferretdb'))('could not load ratings when the database fails to read', async () => {
    await using ratings = await start('ratings', database.env);
    // FerretDB keeps its collections as tables: take one away behind its back.
    for (const file of globSync(join(database.folder, 'test.sqlite'))) {
      using sqlite = new DatabaseSync(file);
      const tables = sqlite.prepare("SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE 'ratings_%'");
      for (const { name } of tables.all()) sqlite.exec(`DROP TABLE "${name}"`);
    }
    expect(await read(ratings)).toEqual([500, '{"error":"could not load ratings from database"}']);
  });
});
