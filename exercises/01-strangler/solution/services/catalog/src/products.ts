import type { Product } from '@bookinfo/contract';

/** The shop has one book; every numeric id shows it. */
export const PRODUCT: Product = {
  id: 0,
  title: 'The Comedy of Errors',
  descriptionHtml:
    'Two sets of identical twins, parted by a shipwreck, walk through the same town on the same day, and everyone mistakes ' +
    'everyone for somebody else. <em>The Comedy of Errors</em> is the shortest play of William Shakespeare and one of his first: ' +
    'a farce about what happens when a message reaches the wrong one of two that look alike.',
};
