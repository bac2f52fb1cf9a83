import type { Static } from 'typebox';
import { BookDetails } from './details.ts';
import { Opinion } from './feedback.ts';

/** Answer of `GET /shelf/{productId}`: all that is to be told of a book, in one piece. */
export const ShelvedBook = {
  type: 'object',
  required: ['productId', 'details', 'reviews', 'readers', 'stars', 'changedAt'],
  properties: {
    productId: { type: 'integer' },
    details: BookDetails,
    /** In the order of their reviewers' names. */
    reviews: {
      type: 'array',
      items: {
        type: 'object',
        required: ['reviewer', ...Opinion.required],
        properties: { reviewer: { type: 'string' }, ...Opinion.properties },
      },
    },
    /** How many reviews there are, and how many stars they give together. */
    readers: { type: 'integer' },
    stars: { type: 'integer' },
    /** When the last thing happened that can be seen here: ISO 8601, in UTC. */
    changedAt: { type: 'string' },
  },
} as const;
export type ShelvedBook = Static<typeof ShelvedBook>;
