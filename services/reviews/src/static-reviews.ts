import type { Review } from '@bookinfo/contract';

/** The reviews of every product. Ratings knows these two reviewers by name. */
export const REVIEWS: readonly Review[] = [
  {
    reviewer: 'Reviewer1',
    text: 'Two pairs of twins, one small town and not a dull scene: I have not laughed this hard over a comedy in years.',
  },
  {
    reviewer: 'Reviewer2',
    text: 'Fast, silly and over in an evening. The plot leans on one joke, but it is a joke that keeps getting better.',
  },
];
