import type { Static } from 'typebox';

/** Answer of `GET /sample/{productId}`. */
export const Sample = {
  type: 'object',
  required: ['id', 'text'],
  properties: {
    id: { type: 'integer' },
    text: { type: 'string' },
    /** Which of the services that it calls have answered. */ // with --calls
    answered: { type: 'array', items: { type: 'string' } }, // with --calls
  },
} as const;
export type Sample = Static<typeof Sample>;
