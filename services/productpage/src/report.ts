import { type Answer, callTry, readServerTiming, tenths, traceIdOf, writeServerTiming } from '@bookinfo/chassis';
import type { BookDetails, Call, CallTry, PageReport, ReviewsOfProduct } from '@bookinfo/contract';
import { trace } from '@opentelemetry/api';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Backends } from './backends.ts';
import { callerOf } from './caller.ts';
import type { Config } from './config.ts';
import { inOneLine } from './pages/calls.ts';
import { currentUser } from './session.ts';

/** What the page shows of a product, and how it came about: the page draws the report, the API sends it. */
export interface GatheredPage {
  details: Answer<BookDetails>;
  reviews: Answer<ReviewsOfProduct>;
  report: PageReport;
}

/**
 * Asks details and reviews at the same time. Who was asked, and for whom, is also in the answer's `Server-Timing` header,
 * in the request's line in the log, and in its span.
 */
export async function gatherPage(
  request: FastifyRequest,
  reply: FastifyReply,
  { backends, config, productId }: { backends: Backends; config: Config; productId: number },
): Promise<GatheredPage> {
  const arrival = performance.now() - reply.elapsedTime;
  const caller = callerOf(request);
  const [details, reviews] = await Promise.all([
    backends.details(productId, caller),
    backends.reviews(productId, caller),
  ]);

  const detailsCall = { service: 'details', parent: 'productpage', tries: triesOf(details, arrival) };
  const reviewsCall = { service: 'reviews', parent: 'productpage', tries: triesOf(reviews, arrival) };
  if (reviews.ok) Object.assign(reviewsCall.tries.at(-1) ?? {}, starsOf(reviews.body));
  const traceId = traceIdOf(request.headers);
  const report = {
    productpage: { version: config.SERVICE_VERSION, pod: config.HOSTNAME },
    durationMs: tenths(reply.elapsedTime),
    requestId: request.id,
    ...(traceId !== undefined && { traceId }),
    ...(caller.headers['end-user'] !== undefined && { endUser: caller.headers['end-user'] }),
    calls: [detailsCall, reviewsCall, ...callsOfReviews(reviews, reviewsCall.tries.at(-1))],
  };
  const tries = report.calls.flatMap((call) => call.tries.map((t) => ({ service: call.service, try: t })));
  const user = currentUser(request);
  request.log = request.log.child({ ...(user !== undefined && { end_user: user }), calls: inOneLine(report.calls) });
  if (user !== undefined) trace.getActiveSpan()?.setAttribute('enduser.id', user);
  reply.header('server-timing', writeServerTiming({ totalMs: report.durationMs, tries }));
  return { details, reviews, report };
}

const triesOf = ({ tries }: Answer<unknown>, arrival: number): CallTry[] => tries.map((t) => callTry(t, arrival));

function starsOf({ reviews }: ReviewsOfProduct): Pick<CallTry, 'stars'> {
  const rating = reviews.map((review) => review.rating).find((r) => r && 'stars' in r);
  return rating && 'color' in rating ? { stars: rating.color } : {};
}

/**
 * What reviews called, as it says in its `Server-Timing` header. Clocks of two machines cannot be compared, so the time that
 * its answer took beyond its own count is drawn before it: that is where a proxy delays a request.
 */
function callsOfReviews(answer: Answer<ReviewsOfProduct>, last: CallTry | undefined): Call[] {
  const timing = answer.ok ? readServerTiming(answer.serverTiming) : undefined;
  if (!timing || !last) return [];
  const arrival = last.startMs + Math.max(0, last.durationMs - timing.totalMs);
  const byService = Map.groupBy(timing.tries, ({ service }) => service);
  return [...byService].map(([service, tries]) => ({
    service,
    parent: 'reviews',
    tries: tries.map((t) => ({ ...t.try, startMs: tenths(arrival + t.try.startMs) })),
  }));
}
