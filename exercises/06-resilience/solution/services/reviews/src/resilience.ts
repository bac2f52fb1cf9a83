import type { Backend, Caller, Try } from '@bookinfo/chassis';
import type { RatedProduct } from '@bookinfo/contract';
import {
  bulkhead,
  ConsecutiveBreaker,
  circuitBreaker,
  handleWhenResult,
  isBrokenCircuitError,
  isBulkheadRejectedError,
  wrap,
} from 'cockatiel';

/** For one try at ratings. Two of them fit into the 3 s that the page waits for us. */
export const TIMEOUT_MS = 1200;
/** This many calls are under way at once, and as many wait. */
const AT_ONCE = 10;
/** After so many failures in a row nobody is asked any more, until one call finds out whether it is over. */
const FAILURES_IN_A_ROW = 5;
const PAUSE_MS = 2000;
/** A second try for one call in ten, with a few put by for a bad moment: a ratings that fails is not asked twice as much. */
const RETRY_SHARE = 0.1;
const RETRIES_PUT_BY = 5;
/** Products whose stars are remembered. */
const REMEMBERED = 1000;

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
  const breaker = circuitBreaker(
    handleWhenResult((answer) => !(answer as { ok: boolean }).ok),
    { halfOpenAfter: PAUSE_MS, breaker: new ConsecutiveBreaker(FAILURES_IN_A_ROW) },
  );
  const guard = wrap(bulkhead(AT_ONCE, AT_ONCE), breaker);
  const remembered = new Map<string, RatedProduct>();
  let retries = RETRIES_PUT_BY;

  return async (productId, caller) => {
    const ask = () => guard.execute(() => ratings.get({ productId }, caller));
    const tries: Try[] = [];
    retries = Math.min(retries + RETRY_SHARE, RETRIES_PUT_BY);
    try {
      let answer = await ask();
      tries.push(...answer.tries);
      if (!answer.ok && retries >= 1) {
        retries -= 1;
        answer = await ask();
        tries.push(...answer.tries);
      }
      if (answer.ok) {
        remembered.delete(productId);
        remembered.set(productId, answer.body);
        if (remembered.size > REMEMBERED) remembered.delete(remembered.keys().next().value ?? '');
        return { tries, rated: answer.body, stale: false };
      }
    } catch (error) {
      if (!isBrokenCircuitError(error) && !isBulkheadRejectedError(error)) throw error;
    }
    const rated = remembered.get(productId);
    return { tries, rated, stale: rated !== undefined };
  };
}
