import { type App, type Caller, connectBackend } from '@bookinfo/chassis';
import { openDatabase } from '@bookinfo/chassis/sqlite';
import { type FeedbackEvent, RatedProduct, type StarsByReviewer } from '@bookinfo/contract';
import type { Config } from './config.ts';
import { followFeed } from './feed.ts';

/** `progress` has one row: the last event that is done with. */
const SCHEMA = `CREATE TABLE IF NOT EXISTS stars (
  product_id INTEGER NOT NULL,
  reviewer TEXT NOT NULL,
  stars INTEGER NOT NULL,
  PRIMARY KEY (product_id, reviewer)
) STRICT;
CREATE TABLE IF NOT EXISTS progress (id INTEGER PRIMARY KEY CHECK (id = 1), seq INTEGER NOT NULL) STRICT;
INSERT INTO progress VALUES (1, 0) ON CONFLICT DO NOTHING;`;

export interface Stars {
  /** What readers give a book now, as far as its events are known here. */
  of(productId: number): StarsByReviewer;
}

export function openStars(app: App, config: Config): Stars {
  const { sql } = openDatabase(app, config, SCHEMA);
  const ratings = connectBackend(app, config, 'RATINGS', {
    route: '/ratings/{productId}',
    schema: RatedProduct,
    timeoutMs: 1000,
  });

  const of = (productId: number): StarsByReviewer => {
    const rows = sql.all`SELECT reviewer, stars FROM stars WHERE product_id = ${productId} ORDER BY reviewer`;
    return Object.fromEntries(rows.map(({ reviewer, stars }) => [String(reviewer), Number(stars)]));
  };

  /**
   * First the work, then the progress: killed in between, the event comes again. That does no harm, for each part of the work
   * says what is, not what is added.
   */
  async function work({ seq, productId, reviewer, opinion }: FeedbackEvent, caller: Caller): Promise<boolean> {
    if (opinion) sql.run`INSERT OR REPLACE INTO stars VALUES (${productId}, ${reviewer}, ${opinion.stars})`;
    else sql.run`DELETE FROM stars WHERE product_id = ${productId} AND reviewer = ${reviewer}`;
    const told = await ratings.post({ productId }, of(productId), caller);
    if (told.ok) sql.run`UPDATE progress SET seq = ${seq}`;
    return told.ok;
  }

  followFeed(app, config, { done: () => Number(sql.get`SELECT seq FROM progress`?.seq), work });
  return { of };
}
