import type { Call, CallReason, CallTry } from '@bookinfo/contract';
import { html } from 'ghtml';
import { duration, fill } from '../language.ts';
import { en, type Messages } from '../messages/en.ts';

/** The call as its caller got it in the end. */
export const lastTry = (call: Call): CallTry => call.tries.at(-1) as CallTry;

/** From the first try to the end of the last one. */
export function timeOf(call: Call): number {
  const last = lastTry(call);
  return last.startMs + last.durationMs - (call.tries[0] as CallTry).startMs;
}

/**
 * The version that answered: a number always, a star and a colour besides, which the stylesheet knows for the versions of
 * the lessons. Another version is grey.
 */
export function chip(service: string, { version, ok, stars }: Partial<CallTry>): string {
  const sign = ok === false ? '✕' : stars ? '★' : '';
  const name = version ?? (sign ? '' : '–');
  const failed = ok === false ? ' failed' : '';
  return html`<span class="chip${failed}" data-service="${service}" data-version="${version ?? ''}">${name}!${sign && ` <span aria-hidden="true">${sign}</span>`}</span>`;
}

/** How a try ended, in words. Those of a proxy or of the operating system stay English. */
export function resultOf(t: CallTry, m: Messages): string {
  if (!t.reason) return html`${m.ok}`;
  const words = reasonOf(t.reason, t, m);
  return t.text ? html`${words}: <q lang="en">${t.text}</q>` : html`${words}`;
}

function reasonOf(reason: CallReason, { from, timeoutMs, status }: CallTry, m: Messages): string {
  const key = reason === 'status' && from === 'proxy' ? 'statusOfProxy' : reason;
  return fill(m.reasons[key], { seconds: (timeoutMs ?? 0) / 1000, status: status ?? '' });
}

/** All calls of a page in one line of a log: `details v1, reviews v2 → ratings ✕ connection refused`. */
export function inOneLine(calls: Call[], parent = 'productpage'): string {
  const own = calls.filter((call) => call.parent === parent);
  return own
    .map((call) => {
      const { version, reason, text, ...last } = lastTry(call);
      const parts = [call.service, ...(version ? [version] : [])];
      if (reason) parts.push(`✕ ${reasonOf(reason, last, en)}${text ? `: ${text}` : ''}`);
      if (call.tries.length > 1) parts.push(`(${fill(en.retried, { n: call.tries.length })})`);
      const itsCalls = inOneLine(calls, call.service);
      return parts.join(' ') + (itsCalls && ` → ${itsCalls}`);
    })
    .join(', ');
}

/** All tries of a call: each once, and how often in a row. */
export function resultsOf(call: Call, m: Messages): string {
  const results: { text: string; n: number }[] = [];
  for (const t of call.tries) {
    const text = resultOf(t, m);
    const before = results.at(-1);
    if (before?.text === text) before.n++;
    else results.push({ text, n: 1 });
  }
  const lines = results.map(({ text, n }) => (n > 1 ? html`!${text} (${fill(m.retried, { n })})` : text));
  return lines.length === 1
    ? String(lines[0])
    : html`<ol class="tries">!${lines.map((line) => html`<li>!${line}</li>`)}</ol>`;
}

/** Under a box of the call path: the time, and in two words what went wrong. */
export function inShort(call: Call, m: Messages): string {
  const last = lastTry(call);
  const { noAnswer, noConnection, badAnswer, byProxy } = m.inShort;
  const failure = {
    timeout: noAnswer,
    body: badAnswer,
    status: last.from === 'proxy' ? fill(byProxy, { status: last.status ?? '' }) : String(last.status),
    refused: noConnection,
    reset: noConnection,
    dns: noConnection,
    other: noConnection,
  };
  const parts = [duration(timeOf(call))];
  if (last.reason) parts.unshift(failure[last.reason]);
  if (call.tries.length > 1) parts.push(fill(m.retried, { n: call.tries.length }));
  return parts.join(' · ');
}
