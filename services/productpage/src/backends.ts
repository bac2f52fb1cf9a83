import { type Answer, type App, type Caller, connectBackend } from '@bookinfo/chassis';
import { BookDetails, RatedProduct, ReviewsOfProduct } from '@bookinfo/contract';
import { Counter } from 'prom-client';
import type { Config } from './config.ts';

/** For one try at any backend. */
const TIMEOUT_MS = 3000;

/**
 * The hard-coded bug of the fault-injection lesson: reviews is asked twice, 3 s each. With ratings delayed by 7 s,
 * reviews v2 (which waits 10 s) would have answered, but this page has given up after 6 s.
 */
const REVIEWS_TRIES = 2;

export interface Backends {
  details(productId: number, caller: Caller): Promise<Answer<BookDetails>>;
  reviews(productId: number, caller: Caller): Promise<Answer<ReviewsOfProduct>>;
  ratings(productId: number, caller: Caller): Promise<Answer<RatedProduct>>;
}

export function connectBackends(app: App, config: Config): Backends {
  const details = connectBackend(app, config, 'DETAILS', {
    route: '/details/{productId}',
    schema: BookDetails,
    timeoutMs: TIMEOUT_MS,
  });
  const reviews = connectBackend(app, config, 'REVIEWS', {
    route: '/reviews/{productId}',
    schema: ReviewsOfProduct,
    timeoutMs: TIMEOUT_MS,
    tries: REVIEWS_TRIES,
  });
  const ratings = connectBackend(app, config, 'RATINGS', {
    route: '/ratings/{productId}',
    schema: RatedProduct,
    timeoutMs: TIMEOUT_MS,
  });

  const results = new Counter({
    name: 'request_result_total',
    help: 'Results of requests to backends; the tries at reviews count as one.',
    labelNames: ['destination_app', 'response_code'],
    registers: [app.metrics],
  });
  const count = <T>(backend: string, answer: Answer<T>): Answer<T> => {
    results.inc({ destination_app: backend, response_code: answer.status });
    return answer;
  };

  return {
    details: async (productId, caller) => count('details', await details.get({ productId }, caller)),
    reviews: async (productId, caller) => {
      // v-flooding, for the rate-limit lesson; nobody looks at these answers, nor at how they fail.
      const unheard = { ...caller, log: caller.log.child({}, { level: 'silent' }) };
      const flood = Array.from({ length: config.FLOOD_FACTOR }, () => reviews.get({ productId }, unheard));
      const answer = await reviews.get({ productId }, caller);
      await Promise.all(flood);
      return count('reviews', answer);
    },
    ratings: async (productId, caller) => count('ratings', await ratings.get({ productId }, caller)),
  };
}
