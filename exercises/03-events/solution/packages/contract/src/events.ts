import type { Static } from 'typebox';
import { Opinion } from './feedback.ts';

/** Something that happened. It is never changed, and never taken away. */
export const FeedbackEvent = {
  type: 'object',
  required: ['seq', 'at', 'type', 'productId', 'reviewer', 'origin'],
  properties: {
    /** 1 for the first event, and one more for each that follows. */
    seq: { type: 'integer' },
    /** ISO 8601, in UTC. */
    at: { type: 'string' },
    type: { enum: ['submitted', 'edited', 'withdrawn'] },
    productId: { type: 'integer' },
    reviewer: { type: 'string' },
    /** Of all but `withdrawn`. */
    opinion: Opinion,
    /** The request that it happened in: to its trace belongs what follows from it. */
    origin: {
      type: 'object',
      required: ['requestId'],
      properties: { requestId: { type: 'string' }, traceparent: { type: 'string' } },
    },
  },
} as const;
export type FeedbackEvent = Static<typeof FeedbackEvent>;

/** Answer of `GET /events?after={seq}`: what happened next, oldest first; empty when nothing has for a while. */
export const Feed = {
  type: 'object',
  required: ['events', 'newest'],
  properties: {
    events: { type: 'array', items: FeedbackEvent },
    /** The `seq` of the newest event that there is; 0 before the first. */
    newest: { type: 'integer' },
  },
} as const;

export const FeedQuery = {
  type: 'object',
  required: ['after'],
  properties: { after: { type: 'string', pattern: '^[0-9]{1,15}$' } },
} as const;

export const AsOfQuery = {
  type: 'object',
  /** A date and time as `Date` reads it. */
  properties: { asOf: { type: 'string', maxLength: 64 } },
} as const;
