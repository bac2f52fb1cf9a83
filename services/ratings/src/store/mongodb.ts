import { ConfigError, HttpError } from '@bookinfo/chassis';
import type { FastifyBaseLogger } from 'fastify';
import { MongoClient, MongoServerError } from 'mongodb';
import type { Config } from '../config.ts';
import { byReviewer, DATABASE_TIMEOUT_MS, type Store } from './store.ts';

/** Database `test`, collection `ratings`, documents `{rating: 5}`, `{rating: 4}`. The driver's pool reconnects by itself. */
export function openMongoStore(config: Config): Store {
  const client = createClient(config.MONGO_DB_URL);
  const collection = client.db('test').collection<{ rating: number }>('ratings');

  const fail = (log: FastifyBaseLogger, error: unknown, message: string): never => {
    log.error({ err: error }, 'MongoDB failed');
    throw new HttpError(500, message);
  };

  return {
    async read(_productId, log) {
      try {
        // Does nothing while connected. Left to itself, the driver never tries again after a first failure.
        await client.connect();
      } catch (error) {
        return fail(log, error, 'could not connect to ratings database');
      }
      try {
        const signal = AbortSignal.timeout(DATABASE_TIMEOUT_MS);
        const documents = await collection.find({}, { signal }).sort({ _id: 1 }).limit(2).toArray();
        return byReviewer(documents.map(({ rating }) => Number(rating)));
      } catch (error) {
        // Anything but the server's own word means that the connection broke.
        const answered = error instanceof MongoServerError;
        return fail(
          log,
          error,
          answered ? 'could not load ratings from database' : 'could not connect to ratings database',
        );
      }
    },
    close: () => client.close(),
  };
}

function createClient(url: string): MongoClient {
  try {
    return new MongoClient(url, {
      appName: 'ratings',
      maxPoolSize: 10,
      serverSelectionTimeoutMS: DATABASE_TIMEOUT_MS,
      connectTimeoutMS: DATABASE_TIMEOUT_MS,
    });
  } catch (error) {
    // Without the value: it may hold a password.
    throw new ConfigError(`MONGO_DB_URL is not usable: ${error instanceof Error ? error.message : error}`);
  }
}
