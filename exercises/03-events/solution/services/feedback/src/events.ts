import { once, setMaxListeners } from 'node:events';
import type { App } from '@bookinfo/chassis';
import { openDatabase } from '@bookinfo/chassis/sqlite';
import type { FeedbackEvent } from '@bookinfo/contract';
import type { Config } from './config.ts';

/** Whoever changes an event changes what was true. */
const SCHEMA = `CREATE TABLE IF NOT EXISTS events (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  at TEXT NOT NULL,
  product_id INTEGER NOT NULL,
  event TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS events_of_product ON events (product_id);`;

/** Events of one page of the feed. */
const PAGE = 100;
/** How long the feed keeps a reader waiting who knows all there is. */
const WAIT_MS = 10_000;

export interface Events {
  /** `decide` sees what has happened to the book so far, and says what happens now, if anything. */
  append(productId: number, decide: (history: FeedbackEvent[]) => Omit<FeedbackEvent, 'seq' | 'at'> | undefined): void;
  /** All of a book that had happened at this time, or by now, oldest first. */
  history(productId: number, asOf?: Date): FeedbackEvent[];
  /** The next ones after `seq`, as soon as there is one; none when nothing happens for 10 s. */
  after(seq: number): Promise<FeedbackEvent[]>;
  /** The `seq` of the last one; 0 before the first. */
  newest(): number;
}

export function openEvents(app: App, config: Config): Events {
  const { sql, transaction } = openDatabase(app, config, SCHEMA);
  const appended = new EventTarget();
  setMaxListeners(0, appended);
  const wakeReaders = () => appended.dispatchEvent(new Event('appended'));
  app.addHook('preClose', async () => void wakeReaders());

  const history = (productId: number, asOf = new Date()) =>
    sql.all`SELECT * FROM events WHERE product_id = ${productId} AND at <= ${asOf.toISOString()} ORDER BY seq`.map(
      eventOf,
    );
  const page = (seq: number) =>
    sql.all`SELECT * FROM events WHERE seq > ${seq} ORDER BY seq LIMIT ${PAGE}`.map(eventOf);

  return {
    history,
    append(productId, decide) {
      transaction(() => {
        const event = decide(history(productId));
        if (!event) return;
        sql.run`INSERT INTO events (at, product_id, event)
          VALUES (${new Date().toISOString()}, ${productId}, ${JSON.stringify(event)})`;
      });
      wakeReaders();
    },
    async after(seq) {
      const known = page(seq);
      if (known.length > 0) return known;
      await once(appended, 'appended', { signal: AbortSignal.timeout(WAIT_MS) }).catch(() => {});
      return page(seq);
    },
    newest: () => Number(sql.get`SELECT MAX(seq) AS newest FROM events`?.newest ?? 0),
  };
}

function eventOf({ seq, at, event }: Record<string, unknown>): FeedbackEvent {
  return { seq: Number(seq), at: String(at), ...JSON.parse(String(event)) } as FeedbackEvent;
}
