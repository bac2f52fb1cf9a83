import type { App } from '@bookinfo/chassis';
import { openDatabase } from '@bookinfo/chassis/sqlite';
import type { Config } from './config.ts';

const SCHEMA = `CREATE TABLE IF NOT EXISTS payments (
  order_id TEXT PRIMARY KEY,
  customer TEXT NOT NULL,
  amount INTEGER NOT NULL,
  state TEXT NOT NULL
) STRICT`;

export interface Ledger {
  /** The money of all customers that is here. */
  taken(): number;
  /** Takes the money, once, however often it is asked. An order that got its money back is not paid again. */
  take(orderId: string, money: { customer: string; amount: number }): 'taken' | 'returned' | 'too little';
  /** Also to an order that is not known yet: the request to take its money may be on its way, and come too late. */
  giveBack(orderId: string): void;
}

export function openLedger(app: App, config: Config): Ledger {
  const { sql, transaction } = openDatabase(app, config, SCHEMA);

  const spentBy = (customer: string) => {
    const sum = sql.get`SELECT SUM(amount) AS spent FROM payments WHERE customer = ${customer} AND state = 'taken'`;
    return Number(sum?.spent ?? 0);
  };

  return {
    taken: () => Number(sql.get`SELECT SUM(amount) AS taken FROM payments WHERE state = 'taken'`?.taken ?? 0),
    take: (orderId, { customer, amount }) =>
      transaction(() => {
        const known = sql.get`SELECT state FROM payments WHERE order_id = ${orderId}`;
        if (known) return known.state === 'taken' ? 'taken' : 'returned';
        if (spentBy(customer) + amount > config.PURSE) return 'too little';
        sql.run`INSERT INTO payments VALUES (${orderId}, ${customer}, ${amount}, 'taken')`;
        return 'taken';
      }),
    giveBack(orderId) {
      sql.run`INSERT INTO payments VALUES (${orderId}, '', 0, 'returned')
        ON CONFLICT DO UPDATE SET state = 'returned'`;
    },
  };
}
