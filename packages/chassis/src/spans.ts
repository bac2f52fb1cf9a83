import {
  context,
  INVALID_SPAN_CONTEXT,
  propagation,
  type Span,
  SpanKind,
  type SpanOptions,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import type { Method, Outcome, Reason } from './backend.ts';
import { pathOf } from './path.ts';
import { PROBES } from './probes.ts';
import { finalStatusOf } from './request-context.ts';
import { telemetry } from './telemetry.ts';

/**
 * The spans of HTTP, made where a request comes in and where one goes out, instead of by instrumentations that wrap
 * every event of every request: exporting costs half of it. Names and attributes are those of
 * https://opentelemetry.io/docs/specs/semconv/http/http-spans/, without the query, which may hold a secret.
 */
const tracer = trace.getTracer('@bookinfo/chassis');
/** What a client may think up, such as a path, takes no more room in a span than this. */
const MAX_CHARACTERS = 256;

/** As `tracer.startSpan`, but where the environment wants no such spans it only stands in for the parent. */
function startSpan(name: string, options: SpanOptions, parent = context.active()): Span {
  if (telemetry.traces(options.kind === SpanKind.SERVER ? 'server' : 'client')) {
    return tracer.startSpan(name, options, parent);
  }
  return trace.wrapSpanContext(trace.getSpanContext(parent) ?? INVALID_SPAN_CONTEXT);
}

/** A server span around every request but probes and scrapes, which would drown the rest. */
export const serverSpans = fp(addServerSpans, { name: 'server-spans', fastify: '5.x' });

async function addServerSpans(app: FastifyInstance) {
  app.addHook('onRequest', (request, reply, done) => {
    if (PROBES.has(request.routeOptions.config.openApiPath)) return done();
    const { method, headers } = request;
    const parent = propagation.extract(context.active(), headers);
    const span = startSpan(method, { kind: SpanKind.SERVER, attributes: attributesOf(request) }, parent);
    reply.raw.once('close', () => endServerSpan(span, request, finalStatusOf(reply)));
    return context.with(trace.setSpan(parent, span), done);
  });
}

function attributesOf({ method, url, protocol, host, port, ip, raw, headers }: FastifyRequest) {
  return {
    'http.request.method': method,
    'url.path': cut(pathOf(url)),
    'url.scheme': protocol,
    'server.address': cut(host),
    ...(port !== null && { 'server.port': port }),
    'client.address': ip,
    'network.protocol.version': raw.httpVersion,
    ...(headers['user-agent'] && { 'user_agent.original': cut(headers['user-agent']) }),
  };
}

function endServerSpan(span: Span, request: FastifyRequest, status: number): void {
  if (request.route) span.updateName(`${request.method} ${request.route}`).setAttribute('http.route', request.route);
  span.setAttribute('http.response.status_code', status);
  if (status >= 500) fail(span, String(status));
  span.end();
}

export interface ClientRequest {
  /** Whom it goes to. */
  service: string;
  method: Method;
  url: URL;
  /** The path, low in cardinality, such as `/reviews/{productId}`. */
  urlTemplate: string;
  /** 0 for the first try. */
  resendCount: number;
}

/** A span around one try at a backend. `headers` gets the trace context with the span as the parent. */
export function startClientSpan(
  { service, method, url, urlTemplate, resendCount }: ClientRequest,
  headers: Record<string, string> | undefined,
): (outcome: Outcome<unknown>) => void {
  const span = startSpan(`${method} ${urlTemplate}`, {
    kind: SpanKind.CLIENT,
    attributes: {
      'peer.service': service,
      'http.request.method': method,
      'url.full': url.href,
      'url.template': urlTemplate,
      'server.address': url.hostname,
      'server.port': Number(url.port || (url.protocol === 'https:' ? 443 : 80)),
      ...(resendCount > 0 && { 'http.request.resend_count': resendCount }),
    },
  });
  if (headers) propagation.inject(trace.setSpan(context.active(), span), headers);
  return (outcome) => {
    const status = outcome.ok ? outcome.status : statusOf(outcome.reason);
    if (status !== undefined) span.setAttribute('http.response.status_code', status);
    if (!outcome.ok) fail(span, outcome.reason.code === 'status' ? String(status) : outcome.reason.code);
    span.end();
  };
}

function statusOf(reason: Reason): number | undefined {
  if (reason.code === 'status') return reason.status;
  return reason.code === 'body' ? 200 : undefined;
}

function fail(span: Span, errorType: string): void {
  span.setAttribute('error.type', errorType).setStatus({ code: SpanStatusCode.ERROR });
}

const cut = (text = '') => text.slice(0, MAX_CHARACTERS);
