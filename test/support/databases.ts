import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, globSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { homedir, tmpdir, userInfo } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { runInNewContext } from 'node:vm';
import { MongoClient } from 'mongodb';
import { createConnection } from 'mysql2/promise';
import { vi } from 'vitest';
import { freePort } from '../../local/free-port.ts';
import type { Env } from './service.ts';

/** A real database server on a free port, with an empty folder of its own. */
export interface Database extends AsyncDisposable {
  /** What makes ratings use it. */
  env: Env;
  /** Starts it and waits until it answers. Again after `signal('SIGKILL')`: what it holds has stayed. */
  start(): Promise<void>;
  /** Resolves when the process is gone, where the signal ends it. */
  signal(signal: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT'): Promise<void>;
  /** Runs the seed file that ships for it. */
  seed(): Promise<void>;
  /** Leaves these rows and no others, inserted in this order. */
  fill(rows: { id: number; rating: number }[]): Promise<void>;
  folder: string;
}

const seedFile = (name: string) => readFile(new URL(`../../services/ratings/seed/${name}`, import.meta.url), 'utf8');

export const mariaDbPath = programPath('mariadbd');
/** MongoDB itself where the machine has it, else FerretDB, which speaks its protocol. */
export const mongoDbPath = programPath('mongod') ?? programPath('ferretdb');

function programPath(name: string): string | undefined {
  const cache = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'bookinfo');
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', ...globSync(join(cache, 'ferretdb-*'))];
  return folders.map((folder) => join(folder, name)).find((path) => existsSync(path));
}

export async function createMariaDb(): Promise<Database & { query(sql: string): Promise<unknown> }> {
  const port = await freePort();
  const folder = await mkdtemp(join(tmpdir(), 'mariadb-'));
  const user = `--user=${userInfo().username}`;
  const data = `--datadir=${folder}`;
  const install = ['--no-defaults', data, user, '--auth-root-authentication-method=normal', '--skip-test-db'];
  await promisify(execFile)('mariadb-install-db', install);
  const query = async (sql: string) => {
    const connection = await createConnection({
      host: '127.0.0.1',
      port,
      user: 'root',
      multipleStatements: true,
      connectTimeout: 2000,
    });
    try {
      return (await connection.query(sql))[0];
    } finally {
      await connection.end();
    }
  };
  const options = [`--port=${port}`, `--socket=${folder}/socket`, '--bind-address=127.0.0.1'];
  return {
    ...processOf(mariaDbPath ?? '', ['--no-defaults', data, user, ...options], folder, () => query('SELECT 1')),
    env: {
      SERVICE_VERSION: 'v2',
      DB_TYPE: 'mysql',
      MYSQL_DB_HOST: '127.0.0.1',
      MYSQL_DB_PORT: String(port),
      MYSQL_DB_USER: 'root',
      MYSQL_DB_PASSWORD: '',
    },
    query,
    seed: async () => void (await query(await seedFile('mysql/ratings.sql'))),
    fill: async (rows) => {
      const inserts = rows.map(({ id, rating }) => `INSERT INTO test.ratings VALUES (${id}, ${rating})`);
      await query(['DELETE FROM test.ratings', ...inserts].join(';'));
    },
  };
}

export async function createMongoDb(): Promise<Database> {
  const port = await freePort();
  const folder = await mkdtemp(join(tmpdir(), 'mongodb-'));
  const url = `mongodb://127.0.0.1:${port}`;
  const use = async <T>(work: (client: MongoClient) => Promise<T>) => {
    const client = new MongoClient(url, { serverSelectionTimeoutMS: 500 });
    try {
      return await work(client);
    } finally {
      await client.close();
    }
  };
  const options = mongoDbPath?.endsWith('ferretdb')
    ? ['--handler=sqlite', `--sqlite-url=file:${folder}/`, `--state-dir=${folder}`, `--listen-addr=127.0.0.1:${port}`]
        // Neither a second port nor news to its makers.
        .concat('--debug-addr=-', '--telemetry=disable')
    : ['--dbpath', folder, '--port', String(port), '--bind_ip', '127.0.0.1'];
  return {
    ...processOf(mongoDbPath ?? '', options, folder, () => use((client) => client.db('test').command({ ping: 1 }))),
    env: { SERVICE_VERSION: 'v2', MONGO_DB_URL: `${url}/test` },
    seed: async () => {
      const script = await seedFile('mongodb/ratings.js');
      await use(async (client) => {
        const done: Promise<unknown>[] = [];
        // As much of mongosh as the script uses.
        const getCollection = (name: string) => ({
          updateOne: (...args: Parameters<ReturnType<typeof collection>['updateOne']>) =>
            done.push(collection(name).updateOne(...args)),
        });
        let collection = (name: string) => client.db().collection(name);
        const getSiblingDB = (database: string) => {
          collection = (name) => client.db(database).collection(name);
          return { getCollection };
        };
        runInNewContext(script, { db: { getSiblingDB } });
        await Promise.all(done);
      });
    },
    fill: (rows) =>
      use(async (client) => {
        const ratings = client.db('test').collection<{ _id: number; rating: number }>('ratings');
        await ratings.deleteMany({});
        for (const { id, rating } of rows) await ratings.insertOne({ _id: id, rating });
      }),
  };
}

function processOf(program: string, options: string[], folder: string, answers: () => Promise<unknown>) {
  let child: ChildProcess | undefined;
  const isGone = () => child === undefined || child.exitCode !== null || child.signalCode !== null;
  const signal = async (name: NodeJS.Signals) => {
    if (!child || isGone()) return;
    const exit = name === 'SIGKILL' ? once(child, 'exit') : undefined;
    child.kill(name);
    await exit;
  };
  return {
    folder,
    signal,
    async start() {
      child = spawn(program, options, { stdio: 'ignore' });
      await vi.waitFor(answers, { timeout: 30_000, interval: 100 });
    },
    async [Symbol.asyncDispose]() {
      await signal('SIGKILL');
      await rm(folder, { recursive: true, force: true });
    },
  };
}
