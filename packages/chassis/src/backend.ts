import type { IncomingHttpHeaders } from 'node:http';
import type { Static, TSchema } from 'typebox';
import { type Dispatcher, Pool } from 'undici';
import type { App } from './app.ts';
import type { Caller } from './caller.ts';
import { startClientSpan } from './spans.ts';
import { telemetry } from './telemetry.ts';
import { validatorOf } from './validation.ts';

/**
 * Without a mesh, a Kubernetes Service picks a pod per connection, not per request: one connection kept alive would
 * show one version of reviews for ever. Requests therefore rotate over several pools, whose connections end up at
 * different pods, and connections are renewed, so that a new pod gets its share.
 */
const POOLS = 8;
const CONNECTIONS_PER_POOL = 16;
const CONNECTION_LIFETIME_MS = 10_000;
/** Below the 72 s after which a Fastify server closes an idle connection: the client must be the one to hang up. */
const IDLE_CONNECTION_MS = 4_000;
/** The longest answer of a Bookinfo service is below 1 KiB, the one of Google Books about 3. */
const MAX_RESPONSE_BYTES = 256 * 1024;
/** A proxy's own word on a failure, such as Envoy's `no healthy upstream`, is short. */
const MAX_TEXT_CHARACTERS = 80;

/** What is asked of a backend. */
export interface Question<Route extends string, S extends TSchema> {
  /** The path in OpenAPI spelling, such as `/reviews/{productId}`; low in cardinality, it names the client span. */
  route: Route;
  /** What a good answer's body looks like, whatever the method. */
  schema: S;
  /** For one try, from the first byte sent to the last one read. */
  timeoutMs: number;
  /** Of a change, too: more than one wants a backend that knows a change it has already made. */
  tries?: number;
}

/** Never throws: a failure is an answer, and one line in the log of the request that the call is made for. */
export interface Backend<Route extends string, T> {
  get(params: Params<Route>, caller: Caller): Promise<Answer<T>>;
  /** `body` is sent as JSON. */
  put(params: Params<Route>, body: unknown, caller: Caller): Promise<Answer<T>>;
  post(params: Params<Route>, body: unknown, caller: Caller): Promise<Answer<T>>;
  delete(params: Params<Route>, caller: Caller): Promise<Answer<T>>;
}
export type Method = 'GET' | 'PUT' | 'POST' | 'DELETE';
type Params<Route extends string> = Record<ParamsIn<Route>, string | number>;
type ParamsIn<Route extends string> = Route extends `${string}{${infer Name}}${infer Rest}`
  ? Name | ParamsIn<Rest>
  : never;

export type Answer<T> = Outcome<T> & {
  tries: readonly Try[];
  /** From the first byte sent of the first try. */
  durationMs: number;
};
export type Outcome<T> = (Success & { body: T }) | ({ ok: false } & Failure);

interface Success {
  ok: true;
  status: 200;
  servedBy: ServedBy;
  /** The header of this name, as it came. */
  serverTiming: string | undefined;
}

export interface Failure {
  /** The backend's own; 500 when there was no answer, 502 when a good status came with a useless body. */
  status: number;
  reason: Reason;
  /** A `service` of ours names its version in every answer; what comes without was made by a proxy on the way. */
  from: 'service' | 'proxy' | 'nobody';
  servedBy: ServedBy;
  /** What a proxy says in plain text, cut to 80 characters. */
  text: string | undefined;
}

export type Reason =
  | { code: 'timeout'; timeoutMs: number }
  | { code: 'status'; status: number }
  | { code: 'body' }
  | { code: 'refused' | 'reset' | 'dns' | 'other'; detail: string };

export interface Try {
  /** On the clock of `performance.now()`. */
  startedAt: number;
  durationMs: number;
  outcome: Success | ({ ok: false } & Failure);
}

/** Which workload answered, from the headers that every Bookinfo service sends. */
export interface ServedBy {
  version: string | undefined;
  pod: string | undefined;
}

type Host<Name extends string> = Record<`${Name}_HOSTNAME`, string>;
type Port<Name extends string> = Record<`${Name}_SERVICE_PORT`, number>;

/** Connects a service to another one, where `backendSpecs(name)` of its configuration say that it is. */
export function connectBackend<Name extends Uppercase<string>, Route extends string, S extends TSchema>(
  app: App,
  config: Host<Name> & Port<Name> & { SERVICES_DOMAIN: string },
  name: Name,
  question: Question<Route, S>,
): Backend<Route, Static<S>> {
  const { [`${name}_HOSTNAME` as const]: host }: Host<Name> = config;
  const { [`${name}_SERVICE_PORT` as const]: port }: Port<Name> = config;
  const domain = config.SERVICES_DOMAIN && `.${config.SERVICES_DOMAIN}`;
  return connect(app, name.toLowerCase(), `http://${host}${domain}:${port}`, question, true);
}

/** The same for a server outside of Bookinfo, which learns nothing of our traces. `name` is what the log calls it. */
export function connectOrigin<Route extends string, S extends TSchema>(
  app: App,
  name: string,
  origin: string,
  question: Question<Route, S>,
): Backend<Route, Static<S>> {
  return connect(app, name, origin, question, false);
}

function connect<Route extends string, S extends TSchema>(
  app: App,
  name: string,
  origin: string,
  question: Question<Route, S>,
  carriesTrace: boolean,
): Backend<Route, Static<S>> {
  const { route, timeoutMs, tries: allowed = 1 } = question;
  const fits = validatorOf(question.schema);
  const pools = Array.from(
    { length: POOLS },
    () =>
      new Pool(origin, {
        connections: CONNECTIONS_PER_POOL,
        clientTtl: CONNECTION_LIFETIME_MS,
        keepAliveTimeout: IDLE_CONNECTION_MS,
        maxResponseSize: MAX_RESPONSE_BYTES,
        // A dead address must not keep a place for longer than a call waits.
        connectTimeout: timeoutMs,
        // The deadline of a call covers these.
        headersTimeout: 0,
        bodyTimeout: 0,
      }),
  );
  app.addHook('onClose', async () => {
    await Promise.all(pools.map((pool) => pool.destroy()));
  });
  let turn = 0;

  /** One try. A plain timer and no stream: an AbortSignal for each kept every call in memory until its deadline. */
  function ask({ method, path, headers, body }: Request): Promise<Outcome<Static<S>>> {
    const pool = pools[turn++ % POOLS] as Pool;
    return new Promise((resolve) => {
      let request: Dispatcher.DispatchController | undefined;
      let isOver = false;
      const end = (outcome: Outcome<Static<S>>) => {
        isOver = true;
        clearTimeout(timer);
        resolve(outcome);
      };
      const endWithout = (reason: Reason) =>
        end({ ok: false, status: 500, reason, from: 'nobody', servedBy: servedBy({}), text: undefined });
      const timer = setTimeout(() => {
        endWithout({ code: 'timeout', timeoutMs });
        request?.abort(new Error('deadline'));
      }, timeoutMs);

      let status = 0;
      let responseHeaders: IncomingHttpHeaders = {};
      const chunks: Buffer[] = [];
      pool.dispatch(
        { method, path, headers, body },
        {
          onRequestStart(controller) {
            request = controller;
            // It has waited for a free connection until its deadline.
            if (isOver) controller.abort(new Error('deadline'));
          },
          onResponseStart(_controller, statusCode, received) {
            status = statusCode;
            responseHeaders = received;
          },
          onResponseData(_controller, chunk) {
            chunks.push(chunk);
          },
          onResponseEnd() {
            if (!isOver) end(judge(status, responseHeaders, Buffer.concat(chunks).toString(), fits));
          },
          onResponseError(_controller, error) {
            if (!isOver) endWithout(reasonOf(error));
          },
        },
      );
    });
  }

  async function askInSpan(request: Request, resendCount: number) {
    if (!telemetry.enabled) return ask(request);
    const headers = { ...request.headers };
    const { method, path } = request;
    const described = { service: name, method, url: new URL(path, origin), urlTemplate: route, resendCount };
    const endSpan = startClientSpan(described, carriesTrace ? headers : undefined);
    const outcome = await ask({ ...request, headers });
    endSpan(outcome);
    return outcome;
  }

  async function call(method: Method, params: Params<Route>, { headers, log }: Caller, content?: unknown) {
    const values: Record<string, string | number> = params;
    const path = route.replace(/\{(\w+)\}/g, (_, param) => encodeURIComponent(values[param] ?? ''));
    const body = content === undefined ? null : JSON.stringify(content);
    const request = {
      method,
      path,
      headers: body ? { ...headers, 'content-type': 'application/json' } : headers,
      body,
    };
    const tries: Try[] = [];
    for (;;) {
      const startedAt = performance.now();
      const outcome = await askInSpan(request, tries.length);
      tries.push({ startedAt, durationMs: performance.now() - startedAt, outcome: withoutBody(outcome) });
      if (!outcome.ok && tries.length < allowed) continue;
      if (!outcome.ok) {
        const line = { backend: name, status: outcome.status, tries: tries.length };
        log.warn(line, `${name} ${describeReason(outcome.reason)}`);
      }
      return { ...outcome, tries, durationMs: performance.now() - (tries[0]?.startedAt ?? startedAt) };
    }
  }

  return {
    get: (params, caller) => call('GET', params, caller),
    put: (params, body, caller) => call('PUT', params, caller, body),
    post: (params, body, caller) => call('POST', params, caller, body),
    delete: (params, caller) => call('DELETE', params, caller),
  };
}

/** One try at a backend. */
interface Request {
  method: Method;
  path: string;
  headers: Record<string, string>;
  /** JSON. */
  body: string | null;
}

/** A reason in words, as logs have it: `answered 503`, `no answer within 3 s`. */
export function describeReason(reason: Reason): string {
  switch (reason.code) {
    case 'timeout':
      return `no answer within ${reason.timeoutMs / 1000} s`;
    case 'status':
      return `answered ${reason.status}`;
    case 'body':
      return 'answered 200 with an unexpected body';
    default:
      return reason.detail;
  }
}

function judge<T>(
  status: number,
  headers: IncomingHttpHeaders,
  text: string,
  fits: (value: unknown) => value is T,
): Outcome<T> {
  const body = status === 200 ? parseJson(text) : undefined;
  if (fits(body)) {
    const serverTiming = firstOf(headers['server-timing']);
    return { ok: true, status: 200, body, servedBy: servedBy(headers), serverTiming };
  }
  const fromService = headers['x-service-version'] !== undefined;
  const isPlainText = headers['content-type']?.startsWith('text/plain') ?? false;
  return {
    ok: false,
    status: status >= 400 && status < 600 ? status : 502,
    reason: status === 200 ? { code: 'body' } : { code: 'status', status },
    from: fromService ? 'service' : 'proxy',
    servedBy: servedBy(headers),
    text: isPlainText && !fromService ? shorten(text) : undefined,
  };
}

function servedBy(headers: IncomingHttpHeaders): ServedBy {
  return { version: firstOf(headers['x-service-version']), pod: firstOf(headers['x-pod-name']) };
}

function withoutBody<T>(outcome: Outcome<T>): Try['outcome'] {
  if (!outcome.ok) return outcome;
  const { body: _, ...success } = outcome;
  return success;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function reasonOf(error: unknown): Reason {
  if (!(error instanceof Error)) return { code: 'other', detail: String(error) };
  if (!('code' in error)) return { code: 'other', detail: error.message };
  const words = error.message || error.name;
  const detail = words.includes(String(error.code)) ? words : `${words} (${error.code})`;
  switch (error.code) {
    case 'ECONNREFUSED':
      return { code: 'refused', detail };
    case 'ECONNRESET':
    case 'EPIPE':
    case 'UND_ERR_SOCKET':
      return { code: 'reset', detail };
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return { code: 'dns', detail };
    default:
      return { code: 'other', detail };
  }
}

function shorten(text: string): string {
  const characters = [
    ...text
      .slice(0, 4 * MAX_TEXT_CHARACTERS)
      .replace(/\p{Cc}+/gu, ' ')
      .trim(),
  ];
  return characters.slice(0, MAX_TEXT_CHARACTERS).join('');
}

const firstOf = (header: string | string[] | undefined) => (Array.isArray(header) ? header[0] : header);
