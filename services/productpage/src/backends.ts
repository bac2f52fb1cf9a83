import { type Answer, type App, type Backend, backendOrigin, createBackend } from '@bookinfo/chassis';
import { BookDetails, RatedProduct, ReviewsOfProduct } from '@bookinfo/contract';
import type { FastifyBaseLogger } from 'fastify';
import { Counter } from 'prom-client';
import type { TSchema } from 'typebox';
import type { Config } from './config.ts';

/** For one try at any backend. */
const TIMEOUT_MS = 3000;

/**
 * The hard-coded bug of the fault-injection lesson: reviews is asked twice, 3 s each. With ratings delayed by 7 s,
 * reviews v2 (which waits 10 s) would have answered, but this page has given up after 6 s.
 */
const REVIEWS_TRIES = 2;

/** What is needed of the request that a call is made for. */
export interface Caller {
  headers: Record<string, string>;
  log: FastifyBaseLogger;
}

export interface Backends {
  details(productId: number, caller: Caller): Promise<Answer<BookDetails>>;
  reviews(productId: number, caller: Caller): Promise<Answer<ReviewsOfProduct>>;
  ratings(productId: number, caller: Caller): Promise<Answer<RatedProduct>>;
}

export function connectBackends(config: Config, app: App): Backends {
  const connect = (hostname: string, port: number) => {
    const backend = createBackend(backendOrigin(hostname, port, config.SERVICES_DOMAIN));
    app.addHook('onClose', () => backend.close());
    return backend;
  };
  const details = connect(config.DETAILS_HOSTNAME, config.DETAILS_SERVICE_PORT);
  const reviews = connect(config.REVIEWS_HOSTNAME, config.REVIEWS_SERVICE_PORT);
  const ratings = connect(config.RATINGS_HOSTNAME, config.RATINGS_SERVICE_PORT);

  const results = new Counter({
    name: 'request_result_total',
    help: 'Results of requests to backends; the tries at reviews count as one.',
    labelNames: ['destination_app', 'response_code'],
    registers: [app.metrics],
  });
  const record = <T>(backend: string, answer: Answer<T>, { log }: Caller): Answer<T> => {
    results.inc({ destination_app: backend, response_code: answer.status });
    if (!answer.ok) {
      log.warn({ backend, status: answer.status, tries: answer.tries }, `${backend} ${answer.reason}`);
    }
    return answer;
  };

  const asker =
    <S extends TSchema>(backend: Backend, name: string, schema: S, tries = 1) =>
    (productId: number, { headers }: Caller) =>
      backend.get({
        path: `/${name}/${productId}`,
        urlTemplate: `/${name}/{productId}`,
        headers,
        schema,
        timeoutMs: TIMEOUT_MS,
        tries,
      });
  const askDetails = asker(details, 'details', BookDetails);
  const askReviews = asker(reviews, 'reviews', ReviewsOfProduct, REVIEWS_TRIES);
  const askRatings = asker(ratings, 'ratings', RatedProduct);

  return {
    details: async (productId, caller) => record('details', await askDetails(productId, caller), caller),
    reviews: async (productId, caller) => {
      // v-flooding, for the rate-limit lesson; nobody looks at these answers.
      const flood = Array.from({ length: config.FLOOD_FACTOR }, () => askReviews(productId, caller));
      const answer = await askReviews(productId, caller);
      await Promise.all(flood);
      return record('reviews', answer, caller);
    },
    ratings: async (productId, caller) => record('ratings', await askRatings(productId, caller), caller),
  };
}
