import { type App, backendOrigin, createApp, createBackend, forwardedHeaders } from '@bookinfo/chassis';
import { ReviewsOfProduct } from '@bookinfo/contract';
import { Type } from 'typebox';
import type { Config } from './config.ts';
import { createRatings } from './ratings.ts';
import { REVIEWS } from './static-reviews.ts';

const Params = Type.Object({ productId: Type.String() });

export async function buildApp(config: Config): Promise<App> {
  const app = await createApp('reviews', config);
  const ratingsOrigin = backendOrigin(config.RATINGS_HOSTNAME, config.RATINGS_SERVICE_PORT, config.SERVICES_DOMAIN);
  const backend = createBackend(ratingsOrigin);
  app.addHook('onClose', () => backend.close());
  const ratings = createRatings(backend, config);

  app.get('/health', async () => ({ status: 'Reviews is healthy' }));

  // An id that is no number matches no route: 404.
  app.get('/reviews/:productId(^[0-9]{1,15}$)', {
    schema: { params: Params, response: { 200: ReviewsOfProduct } },
    handler: async ({ params, headers, log }) => {
      const rate = config.ENABLE_RATINGS
        ? await ratings.of(params.productId, forwardedHeaders(headers), log)
        : () => undefined;
      return {
        id: params.productId,
        podname: config.HOSTNAME,
        clustername: config.CLUSTER_NAME,
        reviews: REVIEWS.map((review) => {
          const rating = rate(review.reviewer);
          return rating ? { ...review, rating } : review;
        }),
      };
    },
  });

  return app;
}
