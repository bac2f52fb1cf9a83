import { HttpError } from '@bookinfo/chassis';
import type { FastifyBaseLogger } from 'fastify';
import { createPool, type PoolConnection, type RowDataPacket } from 'mysql2/promise';
import type { Config } from '../config.ts';
import { byReviewer, DATABASE_TIMEOUT_MS, type Store } from './store.ts';

/** Database `test`, table `ratings(ReviewID, Rating)`. Broken connections leave the pool, new ones take their place. */
export function openMySqlStore(config: Config): Store {
  const pool = createPool({
    host: config.MYSQL_DB_HOST,
    port: config.MYSQL_DB_PORT,
    user: config.MYSQL_DB_USER,
    password: config.MYSQL_DB_PASSWORD,
    database: 'test',
    connectionLimit: 10,
    connectTimeout: DATABASE_TIMEOUT_MS,
    enableKeepAlive: true,
  });

  async function connect(log: FastifyBaseLogger): Promise<PoolConnection> {
    const connection = pool.getConnection();
    try {
      // The pool's own timeout counts from when it begins to connect, not from when it is asked.
      return await Promise.race([connection, afterTimeout()]);
    } catch (error) {
      connection.then(
        (late) => late.release(),
        () => {},
      );
      log.error({ err: error }, 'MySQL does not accept a connection');
      throw new HttpError(500, 'could not connect to ratings database');
    }
  }

  return {
    async read(_productId, log) {
      const connection = await connect(log);
      try {
        const [rows] = await connection.query<RowDataPacket[]>({
          sql: 'SELECT Rating FROM ratings ORDER BY ReviewID LIMIT 2',
          timeout: DATABASE_TIMEOUT_MS,
        });
        connection.release();
        return byReviewer(rows.map((row) => Number(row.Rating)));
      } catch (error) {
        connection.destroy();
        log.error({ err: error }, 'MySQL query failed');
        throw new HttpError(500, 'could not perform select');
      }
    },
    // Connections that are still being made cannot be closed in order; that is no reason to fail.
    close: () => pool.end().catch(() => {}),
  };
}

function afterTimeout(): Promise<never> {
  const error = new Error(`no connection within ${DATABASE_TIMEOUT_MS / 1000} s`);
  return new Promise((_resolve, reject) => setTimeout(reject, DATABASE_TIMEOUT_MS, error).unref());
}
