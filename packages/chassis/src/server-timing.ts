import { CallTry } from '@bookinfo/contract';
import { type BareItem, type Item, parseList, serializeList, Token } from 'structured-headers';
import type { Try } from './backend.ts';
import { validatorOf } from './validation.ts';

const isCallTry = validatorOf(CallTry);

/** Milliseconds with one decimal: more would pretend to know. */
export const tenths = (ms: number): number => Math.round(ms * 10) / 10;

/** A try as others are told of it. `origin` is the moment that `startMs` counts from, on the clock of `performance.now()`. */
export function callTry({ startedAt, durationMs, outcome }: Try, origin: number): CallTry {
  const { version, pod } = outcome.servedBy;
  const seen = {
    startMs: Math.max(0, tenths(startedAt - origin)),
    durationMs: tenths(durationMs),
    ok: outcome.ok,
    ...(version !== undefined && { version }),
    ...(pod !== undefined && { pod }),
  };
  if (outcome.ok) return { ...seen, status: outcome.status };
  const { reason, from, text } = outcome;
  const words = 'detail' in reason ? reason.detail : text;
  return {
    ...seen,
    ...(reason.code === 'status' && { status: reason.status }),
    ...(reason.code === 'body' && { status: 200 }),
    reason: reason.code,
    ...(reason.code === 'timeout' && { timeoutMs: reason.timeoutMs }),
    from,
    ...(words && { text: words }),
  };
}

/** What a service says in a `Server-Timing` header: how long it took itself, and the calls it made meanwhile. */
export interface ServerTiming {
  totalMs: number;
  tries: { service: string; try: CallTry }[];
}

/**
 * Writes the header that browsers show beside a request (https://www.w3.org/TR/server-timing/): `total`, then one metric per
 * try. `dur` and `desc` are for people; the other parameters, which browsers skip, let the caller draw the call.
 */
export function writeServerTiming({ totalMs, tries }: ServerTiming): string {
  const metric = (name: string, parameters: Record<string, BareItem>): Item => [
    new Token(name),
    new Map(Object.entries(parameters)),
  ];
  return serializeList([
    metric('total', { dur: tenths(totalMs) }),
    ...tries.map(({ service, try: { startMs, durationMs, timeoutMs, ok: _, ...rest } }) => {
      const desc = [rest.version, rest.pod, rest.status ?? rest.reason].filter((part) => part !== undefined).join(' ');
      const timeout = timeoutMs === undefined ? {} : { timeout: timeoutMs };
      const parameters = { dur: durationMs, desc, start: startMs, ...timeout, ...rest };
      return metric(
        service,
        Object.fromEntries(Object.entries(parameters).map(([k, v]) => [k, typeof v === 'string' ? ascii(v) : v])),
      );
    }),
  ]);
}

/** Reads what `writeServerTiming` wrote; undefined when the header is absent or another program's. */
export function readServerTiming(header: string | undefined): ServerTiming | undefined {
  if (!header) return undefined;
  try {
    let totalMs: number | undefined;
    const tries: ServerTiming['tries'] = [];
    for (const [name, parameters] of parseList(header)) {
      const { dur, desc: _, start, timeout, ...rest } = Object.fromEntries(parameters);
      if (String(name) === 'total') totalMs = Number(dur);
      const read = { ...rest, startMs: start, durationMs: dur, ok: rest.reason === undefined };
      const one = timeout === undefined ? read : { ...read, timeoutMs: timeout };
      if (isCallTry(one)) tries.push({ service: String(name), try: one });
    }
    return totalMs === undefined ? undefined : { totalMs, tries };
  } catch {
    return undefined;
  }
}

/** A header holds no other letters. */
const ascii = (text: string): string => text.replace(/[^\x20-\x7e]/g, '?');
