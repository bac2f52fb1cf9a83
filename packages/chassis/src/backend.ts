import type { Static, TSchema } from 'typebox';
import { Compile, type Validator } from 'typebox/compile';
import { Pool } from 'undici';
import { withClientSpan } from './client-span.ts';

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
/** The longest answer of a Bookinfo service is below 1 KiB. */
const MAX_RESPONSE_BYTES = 256 * 1024;

export interface Backend {
  get<S extends TSchema>(call: Call<S>): Promise<Answer<Static<S>>>;
  close(): Promise<void>;
}

export interface Call<S extends TSchema> {
  path: string;
  /** The path in a form that is low in cardinality, such as `/reviews/{productId}`; names the client span. */
  urlTemplate: string;
  headers: Record<string, string>;
  /** What a good answer's body looks like. */
  schema: S;
  /** For one try, from the first byte sent to the last one read. */
  timeoutMs: number;
  tries?: number;
}

export type Answer<T> = Outcome<T> & {
  tries: number;
  durationMs: number;
};
type Outcome<T> = Success<T> | Failure;
type Success<T> = { ok: true; status: 200; body: T; servedBy: ServedBy };
/** `status` is the backend's own; 500 when there was no answer, 502 when a good status came with a useless body. */
type Failure = { ok: false; status: number; reason: string };

/** Which workload answered, from the headers that every Bookinfo service sends. */
export interface ServedBy {
  version: string | undefined;
  pod: string | undefined;
}

/** A client for one service, with a bounded number of connections. `get` never throws: failures are answers. */
export function createBackend(origin: string): Backend {
  const pools = Array.from(
    { length: POOLS },
    () =>
      new Pool(origin, {
        connections: CONNECTIONS_PER_POOL,
        clientTtl: CONNECTION_LIFETIME_MS,
        keepAliveTimeout: IDLE_CONNECTION_MS,
        maxResponseSize: MAX_RESPONSE_BYTES,
        // The deadline of a call covers these.
        headersTimeout: 0,
        bodyTimeout: 0,
      }),
  );
  let turn = 0;

  const validators = new Map<TSchema, Validator>();
  const fits = (schema: TSchema, value: unknown): boolean => {
    const validator = validators.get(schema) ?? Compile(schema);
    validators.set(schema, validator);
    return validator.Check(value);
  };

  async function tryOnce<S extends TSchema>(call: Call<S>): Promise<Outcome<Static<S>>> {
    const pool = pools[turn++ % POOLS] as Pool;
    const signal = AbortSignal.timeout(call.timeoutMs);
    try {
      const { statusCode, headers, body } = await pool.request({
        method: 'GET',
        path: call.path,
        headers: call.headers,
        signal,
      });
      const text = await body.text();
      if (statusCode !== 200) {
        const status = statusCode >= 400 && statusCode < 600 ? statusCode : 502;
        return { ok: false, status, reason: `answered ${statusCode}` };
      }
      const parsed = parseJson(text);
      if (!fits(call.schema, parsed)) {
        return { ok: false, status: 502, reason: 'answered 200 with an unexpected body' };
      }
      return {
        ok: true,
        status: 200,
        body: parsed as Static<S>,
        servedBy: { version: one(headers['x-service-version']), pod: one(headers['x-pod-name']) },
      };
    } catch (error) {
      const reason = signal.aborted ? `no answer within ${call.timeoutMs / 1000} s` : describe(error);
      return { ok: false, status: 500, reason };
    }
  }

  return {
    async get(call) {
      const start = performance.now();
      const allowed = call.tries ?? 1;
      for (let tries = 1; ; tries++) {
        const span = { urlTemplate: call.urlTemplate, resendCount: tries - 1 };
        const outcome = await withClientSpan(span, () => tryOnce(call));
        if (outcome.ok || tries === allowed) return { ...outcome, tries, durationMs: performance.now() - start };
      }
    },
    close: async () => {
      await Promise.all(pools.map((pool) => pool.destroy()));
    },
  };
}

/** `http://host[.domain]:port` from a service's configuration. */
export function backendOrigin(hostname: string, port: number, domain: string): string {
  return `http://${hostname}${domain && `.${domain}`}:${port}`;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return 'code' in error ? `${error.message || error.name} (${error.code})` : error.message;
}

const one = (header: string | string[] | undefined) => (Array.isArray(header) ? header[0] : header);
