import { type Static, Type } from 'typebox';

/** One element of the answer of `GET /api/v1/products`. `descriptionHtml` is trusted markup of our own. */
export const Product = Type.Object({
  id: Type.Integer(),
  title: Type.String(),
  descriptionHtml: Type.String(),
});
export type Product = Static<typeof Product>;
