import type { Static } from 'typebox';

/** An id in a path: digits alone, and no more than a JavaScript number holds exactly. */
export const PRODUCT_ID = '^[0-9]{1,15}$';
export const ProductParams = {
  type: 'object',
  required: ['productId'],
  properties: { productId: { type: 'string', pattern: PRODUCT_ID } },
} as const;
/** The error of status 400 for an id that is none. */
export const NUMERIC_ID_WANTED = 'please provide numeric product id';

/** One element of the answer of `GET /api/v1/products`. `descriptionHtml` is trusted markup of our own. */
export const Product = {
  type: 'object',
  required: ['id', 'title', 'descriptionHtml'],
  properties: { id: { type: 'integer' }, title: { type: 'string' }, descriptionHtml: { type: 'string' } },
} as const;
export type Product = Static<typeof Product>;
