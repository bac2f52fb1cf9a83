import type { Static } from 'typebox';

/** As ratings takes them. */
const stars = { type: 'integer', minimum: 1, maximum: 5 } as const;
const text = { type: 'string', maxLength: 1000 } as const;

/** Whose review of which book: the path of `PUT` and `DELETE /feedback/{productId}/{reviewer}`. */
export const FeedbackParams = {
  type: 'object',
  required: ['productId', 'reviewer'],
  properties: {
    productId: { type: 'string', pattern: '^[0-9]{1,15}$' },
    reviewer: { type: 'string', pattern: '^.{1,64}$' },
  },
} as const;

/** Body of `PUT /feedback/{productId}/{reviewer}`. */
export const Opinion = { type: 'object', required: ['stars', 'text'], properties: { stars, text } } as const;
export type Opinion = Static<typeof Opinion>;

/** Answer of `GET`, `PUT` and `DELETE` below `/feedback/{productId}`: what readers think, by their names. */
export const Feedback = {
  type: 'object',
  required: ['productId', 'opinions'],
  properties: { productId: { type: 'integer' }, opinions: { type: 'object', additionalProperties: Opinion } },
} as const;
export type Feedback = Static<typeof Feedback>;

/** Answer of `GET /stars/{productId}`: how many readers gave how many stars in all. */
export const StarsOfProduct = {
  type: 'object',
  required: ['productId', 'readers', 'stars'],
  properties: { productId: { type: 'integer' }, readers: { type: 'integer' }, stars: { type: 'integer' } },
} as const;
