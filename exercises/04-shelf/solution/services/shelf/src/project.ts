import type { BookDetails, FeedbackEvent, ShelvedBook } from '@bookinfo/contract';

/** A book as it is before the first of its events. */
export function newBook(details: BookDetails, { productId, at }: FeedbackEvent): ShelvedBook {
  return { productId, details, reviews: [], readers: 0, stars: 0, changedAt: at };
}

/** The book after this event. Nothing but the two goes into it, no clock and no chance: made anew, it is the same. */
export function project(book: ShelvedBook, { at, reviewer, opinion }: FeedbackEvent): ShelvedBook {
  const others = book.reviews.filter((it) => it.reviewer !== reviewer);
  const reviews = (opinion ? [...others, { reviewer, ...opinion }] : others).toSorted((a, b) =>
    a.reviewer < b.reviewer ? -1 : 1,
  );
  const stars = reviews.reduce((sum, it) => sum + it.stars, 0);
  return { ...book, reviews, readers: reviews.length, stars, changedAt: at };
}
