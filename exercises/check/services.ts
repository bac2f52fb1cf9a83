/** What a check can do with services, wherever they run: as processes of a tree (shop.ts), or as pods of a cluster (pods.ts). */
import { randomBytes } from 'node:crypto';
import type { Span } from '../../local/otlp.ts';
import { eventually, Finding, PATIENCE_MS } from './exercise.ts';

export interface Answer {
  /** 0: no service has answered; the connection broke, nothing came within 30 s, or a proxy answered in its place. */
  status: number;
  headers: Headers;
  text: string;
  seconds: number;
  /** @throws {Finding} when it is none */
  json(): unknown;
  /** The trace that the request began. */
  traceId: string;
}

/** What `fetch` takes, with a body that is sent as JSON. */
export interface Asked {
  method?: string;
  headers?: Record<string, string>;
  json?: unknown;
}

/** What befalls requests that one service sends another. */
export interface Trouble {
  /** Answered so on the way; they never arrive. */
  status?: number;
  /** Kept waiting on the way. */
  delayMs?: number;
  /** Only these; by default all. */
  methods?: readonly string[];
  /** So many of them, 0 to 1; by default all. */
  share?: number;
}

export interface Services extends AsyncDisposable {
  /** Asks a service from outside. */
  ask(service: string, path: string, asked?: Asked): Promise<Answer>;
  /** Does `work` while requests of other services to this one are in trouble. */
  disturb<T>(service: string, trouble: Trouble, work: () => Promise<T>): Promise<T>;
  /** Does `work` while a workload is not there. */
  without<T>(workload: string, work: () => Promise<T>): Promise<T>;
  /** Ends the process of a workload in the middle of whatever it does. Resolves when it serves again, with what it had stored. */
  crash(workload: string): Promise<void>;
  /**
   * The spans of a trace, as soon as they are what is waited for.
   * @throws {Finding} when they do not become so
   */
  trace(traceId: string, expected: string, isWhole: (spans: Span[]) => boolean): Promise<Span[]>;
}

/** Which services a trace has been through. */
export const servicesOf = (spans: readonly Span[]): Set<string> =>
  new Set(spans.map(({ resource }) => String(resource['service.name'])));

/** Whether one of the spans above it in the trace is of this service. */
export const isBelow = (spans: readonly Span[], service: string, span: Span | undefined): boolean => {
  const parent = spans.find(({ spanId }) => spanId === span?.parentSpanId);
  return parent !== undefined && (parent.resource['service.name'] === service || isBelow(spans, service, parent));
};

/** What a trace is, for who expected another one. */
export const tracedThrough = (spans: readonly Span[]): string =>
  `a trace through ${[...servicesOf(spans)].join(', ') || 'nothing'}: ${spans.map(({ name }) => name).join(', ')}`;

const TIMEOUT_MS = 30_000;

/**
 * One request, which begins a trace.
 * @param what it asks, in words
 * @throws the signal's reason
 */
export async function ask(url: string, { json, headers, ...init }: Asked, what: string, signal: AbortSignal) {
  const traceId = randomBytes(16).toString('hex');
  const traceparent = `00-${traceId}-${randomBytes(8).toString('hex')}-01`;
  const start = performance.now();
  const answerOf = (status: number, received: Headers, text: string): Answer => ({
    status,
    headers: received,
    text,
    seconds: (performance.now() - start) / 1000,
    traceId,
    json() {
      try {
        return JSON.parse(text);
      } catch {
        throw new Finding({ expected: `JSON from ${what}`, seen: `${status} ${text.slice(0, 200)}` });
      }
    },
  });
  try {
    const answer = await fetch(url, {
      ...init,
      redirect: 'manual',
      signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]),
      headers: { traceparent, ...(json !== undefined && { 'content-type': 'application/json' }), ...headers },
      ...(json !== undefined && { body: JSON.stringify(json) }),
    });
    return answerOf(answer.status, answer.headers, await answer.text());
  } catch (error) {
    signal.throwIfAborted();
    return answerOf(0, new Headers(), String(error));
  }
}

/** Asks a service, as often as it takes to get an answer. */
export const askUntilAnswered = (
  services: Services,
  service: string,
  path: string,
  asked: Asked = {},
): Promise<Answer> =>
  eventually(
    async () => {
      const answer = await services.ask(service, path, asked);
      return answer.status === 0 ? undefined : answer;
    },
    () => ({
      expected: `an answer to ${asked.method ?? 'GET'} ${path}`,
      seen: 'none, again and again',
      look: `services/${service}/src`,
    }),
    PATIENCE_MS,
  );
