import { type Static, Type } from 'typebox';

/** Body of `POST /ratings/{id}`: stars by reviewer, 1 (worst) to 5 (best), bounded in number. */
export const RatingsToStore = Type.Record(
  Type.String({ pattern: '^.{1,64}$' }),
  Type.Integer({ minimum: 1, maximum: 5 }),
  {
    maxProperties: 100,
    // Else a name that the pattern does not match could have any value.
    additionalProperties: false,
  },
);

/** Stars by reviewer, as a database may hold them. */
export const StarsByReviewer = Type.Record(Type.String(), Type.Integer());
export type StarsByReviewer = Static<typeof StarsByReviewer>;

/** Answer of `GET` and `POST /ratings/{id}`. */
export const RatedProduct = Type.Object({ id: Type.Integer(), ratings: StarsByReviewer });
export type RatedProduct = Static<typeof RatedProduct>;
