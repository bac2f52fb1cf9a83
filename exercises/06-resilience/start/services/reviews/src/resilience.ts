import type { Backend, Caller, Try } from '@bookinfo/chassis';
import type { RatedProduct } from '@bookinfo/contract';

/** For one try at ratings. */
export const TIMEOUT_MS = 10_000;

/** The stars of a product, and how they came. */
export interface Rated {
  tries: readonly Try[];
  /** None when ratings fails, and nothing is known from before. */
  rated: RatedProduct | undefined;
  /** Whether ratings said so a moment ago, and says nothing now. */
  stale: boolean;
}

/** Asks ratings for a product's stars, whatever state it is in. Never throws. */
export function resilient(
  ratings: Backend<'/ratings/{productId}', RatedProduct>,
): (productId: string, caller: Caller) => Promise<Rated> {
  return async (productId, caller) => {
    const answer = await ratings.get({ productId }, caller);
    return { tries: answer.tries, rated: answer.ok ? answer.body : undefined, stale: false };
  };
}
