import type { App, Origin } from '@bookinfo/chassis';
import { openDatabase } from '@bookinfo/chassis/sqlite';
import type { Order, OrderToPlace } from '@bookinfo/contract';
import type { Config } from './config.ts';

const SCHEMA = `CREATE TABLE IF NOT EXISTS orders (
  order_id TEXT PRIMARY KEY,
  product_id INTEGER NOT NULL,
  quantity INTEGER NOT NULL,
  customer TEXT NOT NULL,
  next TEXT NOT NULL,
  reason TEXT,
  origin TEXT NOT NULL
) STRICT`;

export type Step = 'reserve' | 'pay' | 'refund' | 'release';

/** The step that an order takes next, or the end that it has come to. */
export type Next = Step | 'confirmed' | 'cancelled';

export interface PlacedOrder extends OrderToPlace {
  orderId: string;
  next: Next;
  /** Why it is, or is about to be, cancelled. */
  reason: string | undefined;
  /** The request that placed it: to its trace belongs what is done about it, whenever that is. */
  origin: Origin;
}

/** Where every order stands. What was written is still there when the process was killed. */
export interface Orders {
  /** Stores an order before anything is done about it. One whose id is known stays as it was. */
  add(order: OrderToPlace & { orderId: string }, origin: Origin): PlacedOrder;
  find(orderId: string): PlacedOrder | undefined;
  move(orderId: string, next: Next, reason?: string): PlacedOrder;
  /** Those that have not come to an end. */
  pending(): PlacedOrder[];
}

export function openOrders(app: App, config: Config): Orders {
  const { sql } = openDatabase(app, config, SCHEMA);

  const find = (orderId: string) => {
    const row = sql.get`SELECT * FROM orders WHERE order_id = ${orderId}`;
    return row && orderOf(row);
  };
  const known = (orderId: string) => {
    const order = find(orderId);
    if (!order) throw new Error(`order ${orderId} was never stored`);
    return order;
  };

  return {
    find,
    add({ orderId, productId, quantity, customer }, origin) {
      sql.run`INSERT INTO orders VALUES
        (${orderId}, ${productId}, ${quantity}, ${customer}, 'reserve', NULL, ${JSON.stringify(origin)})
        ON CONFLICT DO NOTHING`;
      return known(orderId);
    },
    move(orderId, next, reason) {
      sql.run`UPDATE orders SET next = ${next}, reason = COALESCE(${reason ?? null}, reason) WHERE order_id = ${orderId}`;
      return known(orderId);
    },
    pending: () => sql.all`SELECT * FROM orders WHERE next NOT IN ('confirmed', 'cancelled')`.map(orderOf),
  };
}

function orderOf(row: Record<string, unknown>): PlacedOrder {
  return {
    orderId: String(row.order_id),
    productId: Number(row.product_id),
    quantity: Number(row.quantity),
    customer: String(row.customer),
    next: row.next as Next,
    reason: row.reason === null ? undefined : String(row.reason),
    origin: JSON.parse(String(row.origin)) as Origin,
  };
}

/** An order as its customer sees it. */
export function describe({ orderId, productId, quantity, customer, next, reason }: PlacedOrder): Order {
  const state = next === 'confirmed' || next === 'cancelled' ? next : 'pending';
  return { orderId, productId, quantity, customer, state, ...(reason !== undefined && { reason }) };
}
