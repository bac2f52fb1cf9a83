import { ConfigError, HttpError } from '@bookinfo/chassis';
import type { FastifyBaseLogger } from 'fastify';
import { MongoClient, MongoServerError } from 'mongodb';
import type { Config } from '../config.ts';
import { byReviewer, DATABASE_TIMEOUT_MS, type Store } from './store.ts';

/** Database `test`, collection `ratings`, documents `{rating: 5}`, `{rating: 4}`. The driver's pool reconnects by itself. */
export function openMongoStore(config: Config, log: FastifyBaseLogger): Store {
  const client = createClient(config.MONGO_DB_URL);
  const collection = client.db('test').collection<{ rating: number }>('ratings');
  return {
    async read() {
      try {
        const documents = await collection.find().sort({ _id: 1 }).limit(2).toArray();
        return byReviewer(documents.map(({ rating }) => Number(rating)));
      } catch (error) {
        log.error({ err: error }, 'MongoDB failed');
        throw new HttpError(
          500,
          error instanceof MongoServerError
            ? 'could not load ratings from database'
            : 'could not connect to ratings database',
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
      timeoutMS: DATABASE_TIMEOUT_MS,
    });
  } catch (error) {
    // Without the value: it may hold a password.
    throw new ConfigError(`MONGO_DB_URL is not usable: ${error instanceof Error ? error.message : error}`);
  }
}
