import type { App } from '@bookinfo/chassis';
import { openDatabase } from '@bookinfo/chassis/sqlite';
import type { Config } from './config.ts';

const SCHEMA = `CREATE TABLE IF NOT EXISTS reservations (
  order_id TEXT PRIMARY KEY,
  product_id INTEGER NOT NULL,
  quantity INTEGER NOT NULL,
  state TEXT NOT NULL
) STRICT`;

export interface Reservations {
  /** Books of this product that are held. */
  held(productId: number): number;
  /** Holds the books, once, however often it is asked. An order that has given its books back gets none again. */
  hold(orderId: string, books: { productId: number; quantity: number }): 'held' | 'released' | 'sold out';
  /** Also of an order that is not known yet: the request to hold its books may be on its way, and come too late. */
  release(orderId: string): void;
}

export function openReservations(app: App, config: Config): Reservations {
  const { sql, transaction } = openDatabase(app, config, SCHEMA);

  const held = (productId: number) => {
    const sum = sql.get`SELECT SUM(quantity) AS held FROM reservations WHERE product_id = ${productId} AND state = 'held'`;
    return Number(sum?.held ?? 0);
  };

  return {
    held,
    hold: (orderId, { productId, quantity }) =>
      transaction(() => {
        const known = sql.get`SELECT state FROM reservations WHERE order_id = ${orderId}`;
        if (known) return known.state === 'held' ? 'held' : 'released';
        if (held(productId) + quantity > config.BOOKS) return 'sold out';
        sql.run`INSERT INTO reservations VALUES (${orderId}, ${productId}, ${quantity}, 'held')`;
        return 'held';
      }),
    release(orderId) {
      sql.run`INSERT INTO reservations VALUES (${orderId}, 0, 0, 'released')
        ON CONFLICT DO UPDATE SET state = 'released'`;
    },
  };
}
