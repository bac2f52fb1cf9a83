import { type Answer, type App, type Caller, connectBackend, HttpError } from '@bookinfo/chassis';
import { BookDetails, Feedback, RatedProduct, type ShelvedBook } from '@bookinfo/contract';
import type { Config } from './config.ts';

export interface Shelf {
  /** Undefined for a book that nobody has ever reviewed. */
  of(productId: number, caller: Caller): Promise<ShelvedBook | undefined>;
}

/** Nothing lies on it: whatever is asked for is fetched from three services, each of which may be away. */
export function openShelf(app: App, config: Config): Shelf {
  const timeoutMs = 1000;
  const details = connectBackend(app, config, 'DETAILS', {
    route: '/details/{productId}',
    schema: BookDetails,
    timeoutMs,
  });
  const feedback = connectBackend(app, config, 'FEEDBACK', {
    route: '/feedback/{productId}',
    schema: Feedback,
    timeoutMs,
  });
  const ratings = connectBackend(app, config, 'RATINGS', {
    route: '/ratings/{productId}',
    schema: RatedProduct,
    timeoutMs,
  });

  return {
    async of(productId, caller) {
      const [book, thought, rated] = await Promise.all([
        details.get({ productId }, caller).then(bodyOf('details')),
        feedback.get({ productId }, caller).then(bodyOf('feedback')),
        ratings.get({ productId }, caller).then(bodyOf('ratings')),
      ]);
      const reviews = Object.entries(thought.opinions)
        .map(([reviewer, opinion]) => ({ reviewer, ...opinion }))
        .toSorted((a, b) => (a.reviewer < b.reviewer ? -1 : 1));
      if (reviews.length === 0) return undefined;
      const given = Object.values(rated.ratings);
      return {
        productId,
        details: book,
        reviews,
        readers: given.length,
        stars: given.reduce((sum, it) => sum + it, 0),
        changedAt: new Date().toISOString(),
      };
    },
  };
}

const bodyOf =
  (name: string) =>
  <T>(answer: Answer<T>): T => {
    if (!answer.ok) throw new HttpError(503, `${name} is currently unavailable`);
    return answer.body;
  };
