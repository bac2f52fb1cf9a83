export { BookDetails } from './details.ts';
export { Product } from './products.ts';
export { RatedProduct, RatingsToStore, StarsByReviewer } from './ratings.ts';
export { RatingError, Review, type ReviewRating, ReviewStars, ReviewsOfProduct } from './reviews.ts';
