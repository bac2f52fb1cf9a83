import { type App, callerOf, connectBackend } from '@bookinfo/chassis';
import { openDatabase } from '@bookinfo/chassis/sqlite';
import { type Feedback, type Opinion, RatedProduct } from '@bookinfo/contract';
import type { FastifyRequest } from 'fastify';
import type { Config } from './config.ts';

const SCHEMA = `CREATE TABLE IF NOT EXISTS opinions (
  product_id INTEGER NOT NULL,
  reviewer TEXT NOT NULL,
  stars INTEGER NOT NULL,
  text TEXT NOT NULL,
  PRIMARY KEY (product_id, reviewer)
) STRICT`;

export interface Opinions {
  of(productId: number): Feedback['opinions'];
  /** Gives, or changes, the opinion of a reader. */
  give(productId: number, reviewer: string, opinion: Opinion, request: FastifyRequest): Promise<void>;
  withdraw(productId: number, reviewer: string, request: FastifyRequest): Promise<void>;
}

export function openOpinions(app: App, config: Config): Opinions {
  const { sql } = openDatabase(app, config, SCHEMA);
  const ratings = connectBackend(app, config, 'RATINGS', {
    route: '/ratings/{productId}',
    schema: RatedProduct,
    timeoutMs: 1000,
  });

  const of = (productId: number) => {
    const rows = sql.all`SELECT * FROM opinions WHERE product_id = ${productId} ORDER BY reviewer`;
    return Object.fromEntries(
      rows.map((row) => [String(row.reviewer), { stars: Number(row.stars), text: String(row.text) }]),
    );
  };
  /** Written twice, once here and once there: the second time may fail, and then nobody tells ratings any more. */
  const tellRatings = async (productId: number, request: FastifyRequest) => {
    const stars = Object.entries(of(productId)).map(([reviewer, opinion]) => [reviewer, opinion.stars]);
    await ratings.post({ productId }, Object.fromEntries(stars), callerOf(request));
  };

  return {
    of,
    async give(productId, reviewer, { stars, text }, request) {
      sql.run`INSERT INTO opinions VALUES (${productId}, ${reviewer}, ${stars}, ${text})
        ON CONFLICT DO UPDATE SET stars = ${stars}, text = ${text}`;
      await tellRatings(productId, request);
    },
    async withdraw(productId, reviewer, request) {
      sql.run`DELETE FROM opinions WHERE product_id = ${productId} AND reviewer = ${reviewer}`;
      await tellRatings(productId, request);
    },
  };
}
