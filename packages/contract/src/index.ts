export { BookDetails } from './details.ts';
export { NUMERIC_ID_WANTED, PRODUCT_ID, Product, ProductParams } from './products.ts';
export { RatedProduct, RatingsToStore, StarsByReviewer } from './ratings.ts';
export { Review, type ReviewRating, ReviewsOfProduct } from './reviews.ts';
