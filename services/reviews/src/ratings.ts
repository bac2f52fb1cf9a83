import type { Backend } from '@bookinfo/chassis';
import { RatedProduct, type ReviewRating } from '@bookinfo/contract';
import { trace } from '@opentelemetry/api';
import type { FastifyBaseLogger } from 'fastify';
import type { Config } from './config.ts';

/** The rating to show beside a reviewer's text: stars, or why there are none; undefined for who has not rated. */
export type Rate = (reviewer: string) => ReviewRating | undefined;

export interface Ratings {
  of(productId: string, headers: Record<string, string>, log: FastifyBaseLogger): Promise<Rate>;
}

export function createRatings(backend: Backend, config: Config): Ratings {
  return {
    async of(productId, headers, log) {
      trace.getActiveSpan()?.setAttribute('bookinfo.star_color', config.STAR_COLOR);
      const answer = await backend.get({
        path: `/ratings/${productId}`,
        urlTemplate: '/ratings/{productId}',
        headers,
        schema: RatedProduct,
        timeoutMs: config.RATINGS_TIMEOUT_MS,
      });
      if (!answer.ok) {
        log.warn({ backend: 'ratings', status: answer.status }, `ratings ${answer.reason}`);
        return () => ({ error: 'Ratings service is currently unavailable' });
      }
      const { ratings } = answer.body;
      return (reviewer) => {
        const stars = ratings[reviewer];
        return stars === undefined ? undefined : { stars, color: config.STAR_COLOR };
      };
    },
  };
}
