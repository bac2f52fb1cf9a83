/** What the services answer, byte for byte as far as tutorials show it. */
export const DETAILS = {
  id: 0,
  author: 'William Shakespeare',
  year: 1595,
  type: 'paperback',
  pages: 200,
  publisher: 'PublisherA',
  language: 'English',
  'ISBN-10': '1234567890',
  'ISBN-13': '123-1234567890',
};

export const RATINGS = { id: 0, ratings: { Reviewer1: 5, Reviewer2: 4 } };

type Rating = { stars: number; color: string } | { error: string };

/** Of a reviews pod; without ratings as v1 answers. */
export function reviewsOf(podname: string, ratings?: [Rating, Rating], clustername = 'null') {
  return {
    id: '0',
    podname,
    clustername,
    reviews: [
      { reviewer: 'Reviewer1', text: 'First text.', ...(ratings && { rating: ratings[0] }) },
      { reviewer: 'Reviewer2', text: 'Second text.', ...(ratings && { rating: ratings[1] }) },
    ],
  };
}

export const stars = (color: string): [Rating, Rating] => [
  { stars: 5, color },
  { stars: 4, color },
];

export const RATINGS_ERROR = { error: 'Ratings service is currently unavailable' };
