import { HttpError, originOf } from '@bookinfo/chassis';
import type { Feedback, FeedbackEvent, Opinion } from '@bookinfo/contract';
import type { FastifyRequest } from 'fastify';
import type { Events } from './events.ts';

/** As many as ratings takes. */
const MAX_READERS = 100;

export interface Opinions {
  /** Now, or as they were at this time. */
  of(productId: number, asOf?: Date): Feedback['opinions'];
  /** Gives, or changes, the opinion of a reader. */
  give(productId: number, reviewer: string, opinion: Opinion, request: FastifyRequest): void;
  withdraw(productId: number, reviewer: string, request: FastifyRequest): void;
}

/** What readers think is not stored: it follows from what happened. */
export function openOpinions(events: Events): Opinions {
  return {
    of: (productId, asOf) => Object.fromEntries(fold(events.history(productId, asOf))),
    give(productId, reviewer, opinion, request) {
      events.append(productId, (history) => {
        const opinions = fold(history);
        const known = opinions.get(reviewer);
        // Asked twice, it happened once.
        if (known?.stars === opinion.stars && known.text === opinion.text) return undefined;
        if (!known && opinions.size >= MAX_READERS) throw new HttpError(409, 'this book has enough reviews');
        return { type: known ? 'edited' : 'submitted', productId, reviewer, opinion, origin: originOf(request) };
      });
    },
    withdraw(productId, reviewer, request) {
      events.append(productId, (history) =>
        fold(history).has(reviewer) ? { type: 'withdrawn', productId, reviewer, origin: originOf(request) } : undefined,
      );
    },
  };
}

/** What readers think after all this has happened, by their names. */
function fold(history: FeedbackEvent[]): Map<string, Opinion> {
  const opinions = new Map<string, Opinion>();
  for (const { reviewer, opinion } of history) {
    if (opinion) opinions.set(reviewer, opinion);
    else opinions.delete(reviewer);
  }
  return opinions;
}
