export { BookDetails } from './details.ts';
export { Call, CallReason, CallTry, PageReport } from './page.ts';
export { NUMERIC_ID_WANTED, PRODUCT_ID, Product, ProductParams } from './products.ts';
export { RatedProduct, RatingsToStore, StarsByReviewer } from './ratings.ts';
export { Review, type ReviewRating, ReviewsOfProduct } from './reviews.ts';
