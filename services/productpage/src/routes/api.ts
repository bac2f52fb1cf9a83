import { type Answer, type App, type Caller, HttpError } from '@bookinfo/chassis';
import {
  BookDetails,
  NUMERIC_ID_WANTED,
  PageReport,
  Product,
  ProductParams,
  RatedProduct,
  ReviewsOfProduct,
} from '@bookinfo/contract';
import type { TSchema } from 'typebox';
import type { Backends } from '../backends.ts';
import { callerOf } from '../caller.ts';
import type { Config } from '../config.ts';
import { PRODUCT } from '../products.ts';
import { gatherPage } from '../report.ts';

/** The public API: what the backends answer, under one roof. */
export async function apiRoutes(app: App, { backends, config }: { backends: Backends; config: Config }): Promise<void> {
  const products = { type: 'array', items: Product } as const;
  app.get('/api/v1/products', { schema: { response: { 200: products } } }, async () => [PRODUCT]);

  const passThrough = (
    path: string,
    name: string,
    schema: TSchema,
    ask: (productId: number, caller: Caller) => Promise<Answer<unknown>>,
  ) =>
    app.get(path, {
      schema: { params: ProductParams, response: { 200: schema } },
      schemaErrorFormatter: () => new HttpError(400, NUMERIC_ID_WANTED),
      handler: async (request) => {
        const answer = await ask(Number(request.params.productId), callerOf(request));
        if (!answer.ok) {
          throw new HttpError(answer.status, `Sorry, product ${name} are currently unavailable for this book.`);
        }
        return answer.body;
      },
    });

  /** What the product page would show, as JSON. Always 200, as the page is. */
  app.get('/api/v1/products/:productId/page', {
    schema: { params: ProductParams, response: { 200: PageReport } },
    schemaErrorFormatter: () => new HttpError(400, NUMERIC_ID_WANTED),
    handler: async (request, reply) => {
      reply.header('cache-control', 'no-store');
      const productId = Number(request.params.productId);
      return (await gatherPage(request, reply, { backends, config, productId })).report;
    },
  });

  passThrough('/api/v1/products/:productId', 'details', BookDetails, backends.details);
  passThrough('/api/v1/products/:productId/reviews', 'reviews', ReviewsOfProduct, backends.reviews);
  passThrough('/api/v1/products/:productId/ratings', 'ratings', RatedProduct, backends.ratings);
}
