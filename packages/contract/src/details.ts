import { type Static, Type } from 'typebox';

/**
 * Answer of `GET /details/{id}`.
 * `year` is a number in the static data (v1) and the published date as Google Books writes it in v2.
 */
export const BookDetails = Type.Object({
  id: Type.Integer(),
  author: Type.String(),
  year: Type.Union([Type.Integer(), Type.String()]),
  type: Type.String(),
  pages: Type.Integer(),
  publisher: Type.String(),
  language: Type.String(),
  'ISBN-10': Type.String(),
  'ISBN-13': Type.String(),
});
export type BookDetails = Static<typeof BookDetails>;
