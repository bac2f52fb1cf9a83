import type { Static } from 'typebox';

/** Chosen by the customer, and the name of the order at every service: who asks twice with one id asks once. */
export const OrderParams = {
  type: 'object',
  required: ['orderId'],
  properties: { orderId: { type: 'string', pattern: '^[\\w-]{1,64}$' } },
} as const;

/** Body of `PUT /orders/{orderId}`. */
export const OrderToPlace = {
  type: 'object',
  required: ['productId', 'quantity', 'customer'],
  properties: {
    productId: { type: 'integer', minimum: 0 },
    quantity: { type: 'integer', minimum: 1, maximum: 10 },
    customer: { type: 'string', pattern: '^.{1,64}$' },
  },
} as const;
export type OrderToPlace = Static<typeof OrderToPlace>;

/** Answer of `PUT` and `GET /orders/{orderId}`. `reason`: why it is, or is about to be, cancelled. */
export const Order = {
  type: 'object',
  required: ['orderId', 'productId', 'quantity', 'customer', 'state'],
  properties: {
    orderId: { type: 'string' },
    productId: { type: 'integer' },
    quantity: { type: 'integer' },
    customer: { type: 'string' },
    state: { enum: ['pending', 'confirmed', 'cancelled'] },
    reason: { type: 'string' },
  },
} as const;
export type Order = Static<typeof Order>;

/** Body of `PUT /reservations/{orderId}`. */
export const BooksToHold = {
  type: 'object',
  required: ['productId', 'quantity'],
  properties: { productId: { type: 'integer', minimum: 0 }, quantity: { type: 'integer', minimum: 1 } },
} as const;

/** Answer of `PUT` and `DELETE /reservations/{orderId}`. */
export const Reservation = {
  type: 'object',
  required: ['orderId', 'state'],
  properties: { orderId: { type: 'string' }, state: { enum: ['held', 'released'] } },
} as const;
export type Reservation = Static<typeof Reservation>;

/** Answer of `GET /stock/{productId}`: books on the shelf, and books held for orders. */
export const Stock = {
  type: 'object',
  required: ['productId', 'left', 'held'],
  properties: { productId: { type: 'integer' }, left: { type: 'integer' }, held: { type: 'integer' } },
} as const;

/** Body of `PUT /payments/{orderId}`. */
export const MoneyToTake = {
  type: 'object',
  required: ['customer', 'amount'],
  properties: { customer: { type: 'string', minLength: 1 }, amount: { type: 'integer', minimum: 1 } },
} as const;

/** Answer of `PUT` and `DELETE /payments/{orderId}`. */
export const Payment = {
  type: 'object',
  required: ['orderId', 'state'],
  properties: { orderId: { type: 'string' }, state: { enum: ['taken', 'returned'] } },
} as const;
export type Payment = Static<typeof Payment>;

/** Answer of `GET /money`: what all customers together have paid and not got back. */
export const Money = { type: 'object', required: ['taken'], properties: { taken: { type: 'integer' } } } as const;
