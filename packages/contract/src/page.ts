import { type Static, Type } from 'typebox';

const ms = () => Type.Number({ minimum: 0 });

/** Why a try gave no good answer. `status` and `body` came with an answer, the others without one. */
export const CallReason = Type.Union([
  Type.Literal('timeout'),
  Type.Literal('status'),
  Type.Literal('body'),
  Type.Literal('refused'),
  Type.Literal('reset'),
  Type.Literal('dns'),
  Type.Literal('other'),
]);
export type CallReason = Static<typeof CallReason>;

/** One try at a service, seen from its caller. Good ones have no `reason`; `status` is absent when nobody answered. */
export const CallTry = Type.Object({
  /** Since the request for the page arrived. */
  startMs: ms(),
  durationMs: ms(),
  ok: Type.Boolean(),
  status: Type.Optional(Type.Integer()),
  version: Type.Optional(Type.String()),
  pod: Type.Optional(Type.String()),
  /** Of reviews: the colour of the stars it sent. */
  stars: Type.Optional(Type.String()),
  reason: Type.Optional(CallReason),
  /** Of a `timeout`. */
  timeoutMs: Type.Optional(ms()),
  /** Who said no: the service itself, a proxy on the way, or nobody. */
  from: Type.Optional(Type.Union([Type.Literal('service'), Type.Literal('proxy'), Type.Literal('nobody')])),
  /** What a proxy or the operating system said to it, in its own words. */
  text: Type.Optional(Type.String()),
});
export type CallTry = Static<typeof CallTry>;

/** All tries at one service on behalf of `parent`, oldest first: never none. */
export const Call = Type.Object({
  service: Type.String(),
  parent: Type.String(),
  tries: Type.Array(CallTry, { minItems: 1 }),
});
export type Call = Static<typeof Call>;

/** Answer of `GET /api/v1/products/{id}/page`: how the product page came about. */
export const PageReport = Type.Object({
  productpage: Type.Object({ version: Type.String(), pod: Type.String() }),
  durationMs: ms(),
  requestId: Type.String(),
  traceId: Type.Optional(Type.String()),
  /** The header of that name that the backends got; absent when nobody is signed in. */
  endUser: Type.Optional(Type.String()),
  calls: Type.Array(Call),
});
export type PageReport = Static<typeof PageReport>;
