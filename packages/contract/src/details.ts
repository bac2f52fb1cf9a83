import type { Static } from 'typebox';

/**
 * Answer of `GET /details/{id}`.
 * `year` is a number in the static data (v1) and the published date as Google Books writes it in v2.
 */
export const BookDetails = {
  type: 'object',
  required: ['id', 'author', 'year', 'type', 'pages', 'publisher', 'language', 'ISBN-10', 'ISBN-13'],
  properties: {
    id: { type: 'integer' },
    author: { type: 'string' },
    year: { anyOf: [{ type: 'integer' }, { type: 'string' }] },
    type: { type: 'string' },
    pages: { type: 'integer' },
    publisher: { type: 'string' },
    language: { type: 'string' },
    'ISBN-10': { type: 'string' },
    'ISBN-13': { type: 'string' },
  },
} as const;
export type BookDetails = Static<typeof BookDetails>;
