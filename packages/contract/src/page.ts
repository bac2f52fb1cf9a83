import type { Static } from 'typebox';

const Milliseconds = { type: 'number', minimum: 0 } as const;

/** Why a try gave no good answer. `status` and `body` came with an answer, the others without one. */
export const CallReason = { enum: ['timeout', 'status', 'body', 'refused', 'reset', 'dns', 'other'] } as const;
export type CallReason = Static<typeof CallReason>;

/** One try at a service, seen from its caller. Good ones have no `reason`; `status` is absent when nobody answered. */
export const CallTry = {
  type: 'object',
  required: ['startMs', 'durationMs', 'ok'],
  properties: {
    /** Since the request for the page arrived. */
    startMs: Milliseconds,
    durationMs: Milliseconds,
    ok: { type: 'boolean' },
    status: { type: 'integer' },
    version: { type: 'string' },
    pod: { type: 'string' },
    /** Of reviews: the colour of the stars it sent. */
    stars: { type: 'string' },
    reason: CallReason,
    /** Of a `timeout`. */
    timeoutMs: Milliseconds,
    /** Who said no: the service itself, a proxy on the way, or nobody. */
    from: { enum: ['service', 'proxy', 'nobody'] },
    /** What a proxy or the operating system said to it, in its own words. */
    text: { type: 'string' },
  },
} as const;
export type CallTry = Static<typeof CallTry>;

/** All tries at one service on behalf of `parent`, oldest first: never none. */
export const Call = {
  type: 'object',
  required: ['service', 'parent', 'tries'],
  properties: {
    service: { type: 'string' },
    parent: { type: 'string' },
    tries: { type: 'array', items: CallTry, minItems: 1 },
  },
} as const;
export type Call = Static<typeof Call>;

/** Answer of `GET /api/v1/products/{id}/page`: how the product page came about. */
export const PageReport = {
  type: 'object',
  required: ['productpage', 'durationMs', 'requestId', 'calls'],
  properties: {
    productpage: {
      type: 'object',
      required: ['version', 'pod'],
      properties: { version: { type: 'string' }, pod: { type: 'string' } },
    },
    durationMs: Milliseconds,
    requestId: { type: 'string' },
    traceId: { type: 'string' },
    /** The header of that name that the backends got; absent when nobody is signed in. */
    endUser: { type: 'string' },
    calls: { type: 'array', items: Call },
  },
} as const;
export type PageReport = Static<typeof PageReport>;
