import type { Static } from 'typebox';

/** Body of `POST /ratings/{id}`: stars by reviewer, 1 (worst) to 5 (best), bounded in number. */
export const RatingsToStore = {
  type: 'object',
  propertyNames: { pattern: '^.{1,64}$' },
  additionalProperties: { type: 'integer', minimum: 1, maximum: 5 },
  maxProperties: 100,
} as const;

/** Stars by reviewer, as a database may hold them. */
export const StarsByReviewer = { type: 'object', additionalProperties: { type: 'integer' } } as const;
export type StarsByReviewer = Static<typeof StarsByReviewer>;

/** Answer of `GET` and `POST /ratings/{id}`. */
export const RatedProduct = {
  type: 'object',
  required: ['id', 'ratings'],
  properties: { id: { type: 'integer' }, ratings: StarsByReviewer },
} as const;
export type RatedProduct = Static<typeof RatedProduct>;
