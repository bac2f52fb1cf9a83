import { type Static, Type } from 'typebox';

/** An id in a path: digits alone, and no more than a JavaScript number holds exactly. */
export const PRODUCT_ID = '^[0-9]{1,15}$';
export const ProductParams = Type.Object({ productId: Type.String({ pattern: PRODUCT_ID }) });
/** The error of status 400 for an id that is none. */
export const NUMERIC_ID_WANTED = 'please provide numeric product id';

/** One element of the answer of `GET /api/v1/products`. `descriptionHtml` is trusted markup of our own. */
export const Product = Type.Object({
  id: Type.Integer(),
  title: Type.String(),
  descriptionHtml: Type.String(),
});
export type Product = Static<typeof Product>;
