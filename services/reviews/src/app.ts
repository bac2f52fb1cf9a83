import {
  type Answer,
  type App,
  callerOf,
  callTry,
  connectBackend,
  createApp,
  writeServerTiming,
} from '@bookinfo/chassis';
import { PRODUCT_ID, ProductParams, RatedProduct, ReviewsOfProduct } from '@bookinfo/contract';
import { trace } from '@opentelemetry/api';
import type { Config } from './config.ts';
import { withRating } from './ratings.ts';
import { REVIEWS } from './static-reviews.ts';

export async function buildApp(config: Config): Promise<App> {
  const app = await createApp('reviews', config);
  const ratings = connectBackend(app, config, 'RATINGS', {
    route: '/ratings/{productId}',
    schema: RatedProduct,
    timeoutMs: config.RATINGS_TIMEOUT_MS,
  });

  app.get('/health', async () => ({ status: 'Reviews is healthy' }));

  // An id that is no number matches no route: 404.
  app.get(`/reviews/:productId(${PRODUCT_ID})`, {
    schema: { params: ProductParams, response: { 200: ReviewsOfProduct } },
    handler: async (request, reply) => {
      const arrival = performance.now() - reply.elapsedTime;
      const { productId } = request.params;
      let answer: Answer<RatedProduct> | undefined;
      if (config.ENABLE_RATINGS) {
        trace.getActiveSpan()?.setAttribute('bookinfo.star_color', config.STAR_COLOR);
        answer = await ratings.get({ productId }, callerOf(request));
      }
      // So that the page can show a call that it did not make itself.
      const tries = answer?.tries.map((t) => ({ service: 'ratings', try: callTry(t, arrival) })) ?? [];
      reply.header('server-timing', writeServerTiming({ totalMs: reply.elapsedTime, tries }));
      return {
        id: productId,
        podname: config.HOSTNAME,
        clustername: config.CLUSTER_NAME,
        reviews: REVIEWS.map((review) => (answer ? withRating(review, answer, config.STAR_COLOR) : review)),
      };
    },
  });

  return app;
}
