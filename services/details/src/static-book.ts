import type { BookDetails } from '@bookinfo/contract';

/** The one book of the shop, whatever the id: these values are what every Bookinfo tutorial shows. */
export function staticBook(id: number): BookDetails {
  return {
    id,
    author: 'William Shakespeare',
    year: 1595,
    type: 'paperback',
    pages: 200,
    publisher: 'PublisherA',
    language: 'English',
    'ISBN-10': '1234567890',
    'ISBN-13': '123-1234567890',
  };
}
