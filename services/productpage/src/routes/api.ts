import { type Answer, type App, HttpError } from '@bookinfo/chassis';
import { BookDetails, Product, RatedProduct, ReviewsOfProduct } from '@bookinfo/contract';
import { type TSchema, Type } from 'typebox';
import type { Backends, Caller } from '../backends.ts';
import { PRODUCT } from '../products.ts';
import { callerOf } from '../session.ts';

const Params = Type.Object({ productId: Type.String({ pattern: '^[0-9]{1,15}$' }) });

/** The public API: what the backends answer, under one roof. */
export async function apiRoutes(app: App, { backends }: { backends: Backends }): Promise<void> {
  app.get('/api/v1/products', { schema: { response: { 200: Type.Array(Product) } } }, async () => [PRODUCT]);

  const passThrough = (
    path: string,
    name: string,
    schema: TSchema,
    ask: (productId: number, caller: Caller) => Promise<Answer<unknown>>,
  ) =>
    app.get<{ Params: { productId: string } }>(path, {
      schema: { params: Params, response: { 200: schema } },
      schemaErrorFormatter: () => new HttpError(400, 'please provide numeric product id'),
      handler: async (request) => {
        const answer = await ask(Number(request.params.productId), callerOf(request));
        if (!answer.ok) {
          throw new HttpError(answer.status, `Sorry, product ${name} are currently unavailable for this book.`);
        }
        return answer.body;
      },
    });

  passThrough('/api/v1/products/:productId', 'details', BookDetails, backends.details);
  passThrough('/api/v1/products/:productId/reviews', 'reviews', ReviewsOfProduct, backends.reviews);
  passThrough('/api/v1/products/:productId/ratings', 'ratings', RatedProduct, backends.ratings);
}
