import type { Static } from 'typebox';

const ReviewStars = {
  type: 'object',
  required: ['stars', 'color'],
  properties: { stars: { type: 'integer' }, color: { type: 'string' } },
} as const;

/** What a review carries instead of stars when ratings fails or is too slow. */
const RatingError = { type: 'object', required: ['error'], properties: { error: { type: 'string' } } } as const;

/** Without `rating` the reviews service does not call ratings at all (v1). */
export const Review = {
  type: 'object',
  required: ['reviewer', 'text'],
  properties: {
    reviewer: { type: 'string' },
    text: { type: 'string' },
    rating: { anyOf: [ReviewStars, RatingError] },
  },
} as const;
export type Review = Static<typeof Review>;
export type ReviewRating = NonNullable<Review['rating']>;

/** Answer of `GET /reviews/{id}`. `id` is a string and an unset `clustername` the string `null`: tutorials show both. */
export const ReviewsOfProduct = {
  type: 'object',
  required: ['id', 'podname', 'clustername', 'reviews'],
  properties: {
    id: { type: 'string' },
    podname: { type: 'string' },
    clustername: { type: 'string' },
    reviews: { type: 'array', items: Review },
  },
} as const;
export type ReviewsOfProduct = Static<typeof ReviewsOfProduct>;
