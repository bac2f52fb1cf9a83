import { type Static, Type } from 'typebox';

const ReviewStars = Type.Object({ stars: Type.Integer(), color: Type.String() });

/** What a review carries instead of stars when ratings fails or is too slow. */
const RatingError = Type.Object({ error: Type.String() });

/** Without `rating` the reviews service does not call ratings at all (v1). */
export const Review = Type.Object({
  reviewer: Type.String(),
  text: Type.String(),
  rating: Type.Optional(Type.Union([ReviewStars, RatingError])),
});
export type Review = Static<typeof Review>;
export type ReviewRating = NonNullable<Review['rating']>;

/** Answer of `GET /reviews/{id}`. `id` is a string and an unset `clustername` the string `null`: tutorials show both. */
export const ReviewsOfProduct = Type.Object({
  id: Type.String(),
  podname: Type.String(),
  clustername: Type.String(),
  reviews: Type.Array(Review),
});
export type ReviewsOfProduct = Static<typeof ReviewsOfProduct>;
