import { type App, type Caller, connectBackend } from '@bookinfo/chassis';
import { followFeed } from '@bookinfo/chassis/feed';
import { openDatabase } from '@bookinfo/chassis/sqlite';
import { BookDetails, type FeedbackEvent, type ShelvedBook } from '@bookinfo/contract';
import type { Config } from './config.ts';
import { newBook, project } from './project.ts';

/** `progress` has one row: the last event that is in the books. */
const SCHEMA = `CREATE TABLE IF NOT EXISTS books (product_id INTEGER PRIMARY KEY, book TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS progress (id INTEGER PRIMARY KEY CHECK (id = 1), seq INTEGER NOT NULL) STRICT;
INSERT INTO progress VALUES (1, 0) ON CONFLICT DO NOTHING;`;

export interface Shelf {
  /** Undefined for a book that is not on the shelf, or not yet: that says `lag`. */
  of(productId: number): ShelvedBook | undefined;
  /** How many events are not in the books yet; not a number until the feed has answered. */
  lag(): number;
}

export function openShelf(app: App, config: Config): Shelf {
  const { sql, transaction } = openDatabase(app, config, SCHEMA);
  const details = connectBackend(app, config, 'DETAILS', {
    route: '/details/{productId}',
    schema: BookDetails,
    timeoutMs: 1000,
  });
  let newest = Number.NaN;

  const done = () => Number(sql.get`SELECT seq FROM progress`?.seq);
  const of = (productId: number) => {
    const row = sql.get`SELECT book FROM books WHERE product_id = ${productId}`;
    return row && (JSON.parse(String(row.book)) as ShelvedBook);
  };

  /** Details are in no event: they are asked for once, by the first event of a book. */
  async function begin(event: FeedbackEvent, caller: Caller): Promise<ShelvedBook | undefined> {
    const answer = await details.get({ productId: event.productId }, caller);
    return answer.ok ? newBook(answer.body, event) : undefined;
  }

  async function work(event: FeedbackEvent, caller: Caller): Promise<boolean> {
    const { seq, productId } = event;
    if (seq <= done()) return true;
    // The ones before it are on their way: it comes again after them.
    if (seq > done() + 1) return false;
    const book = of(productId) ?? (await begin(event, caller));
    if (!book) return false;
    transaction(() => {
      sql.run`INSERT OR REPLACE INTO books VALUES (${productId}, ${JSON.stringify(project(book, event))})`;
      sql.run`UPDATE progress SET seq = ${seq}`;
    });
    return true;
  }

  followFeed(app, config, {
    done,
    work,
    onNewest(seq) {
      newest = seq;
    },
  });
  return { of, lag: () => Math.max(0, newest - done()) };
}
