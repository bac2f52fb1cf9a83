import type { Answer } from '@bookinfo/chassis';
import type { RatedProduct, Review } from '@bookinfo/contract';

/** The review with the stars that its reviewer gave, if any, or with why there are none. */
export function withRating(review: Review, answer: Answer<RatedProduct>, color: string): Review {
  if (!answer.ok) return { ...review, rating: { error: 'Ratings service is currently unavailable' } };
  const stars = answer.body.ratings[review.reviewer];
  return stars === undefined ? review : { ...review, rating: { stars, color } };
}
