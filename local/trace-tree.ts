import { styleText } from 'node:util';
import { printable } from './log-line.ts';
import type { Span } from './otlp.ts';

/** After a request's own span has come in, those of other processes may still be on their way for this long. */
const SETTLE_MS = 700;
/** Longer than any request takes. What belongs to no request until then never will: its process was killed. */
const FORGET_MS = 60_000;
const KIND = { server: 2, client: 3 };
const KIND_NAMES: Record<number, string> = { 2: 'server', 3: 'client' };
const LEAST_BAR = 10;
const MOST_BAR = 40;

export interface TraceTreeOptions {
  /** A row for each span, not for each call. */
  verbose: boolean;
  /** Width of the terminal, in characters. */
  columns: number;
}

/**
 * Collects spans and prints a tree for each request that came from outside: one whose server span has no parent among
 * the spans, although it may name one of the client's own. Printed spans are forgotten.
 */
export function createTraceTree(
  print: (text: string) => void,
  options: () => TraceTreeOptions,
): (spans: Span[]) => void {
  // The least recently seen come first.
  const traces = new Map<string, { spans: Map<string, Span>; lastSeen: number }>();

  const finish = (span: Span) => {
    const known = traces.get(span.traceId)?.spans;
    if (!known?.has(span.spanId) || known.has(span.parentSpanId)) return;
    const spans = [
      ...descendants(
        span,
        Map.groupBy(known.values(), ({ parentSpanId }) => parentSpanId),
      ),
    ];
    for (const { spanId } of spans) known.delete(spanId);
    if (known.size === 0) traces.delete(span.traceId);
    const isFile = String(span.attributes['url.path']).startsWith('/static/');
    if (options().verbose || !isFile) print(`${drawTree(spans, options())}\n`);
  };

  return (spans) => {
    const now = performance.now();
    for (const span of spans) {
      const trace = traces.get(span.traceId) ?? { spans: new Map(), lastSeen: now };
      trace.spans.set(span.spanId, span);
      trace.lastSeen = now;
      traces.delete(span.traceId);
      traces.set(span.traceId, trace);
      if (span.kind === KIND.server || !span.parentSpanId) setTimeout(finish, SETTLE_MS, span).unref();
    }
    for (const [traceId, { lastSeen }] of traces) {
      if (lastSeen > now - FORGET_MS) break;
      traces.delete(traceId);
    }
  };
}

function* descendants(span: Span, children: Map<string, Span[]>): Generator<Span> {
  yield span;
  for (const child of children.get(span.spanId) ?? []) yield* descendants(child, children);
}

interface Row {
  /** `│  └─ ratings v1` */
  label: string;
  what: string;
  result: string;
  span: Span;
  /** The span of who answered, where that has no row of its own. */
  answer: Span | undefined;
}

/** The spans of one trace as a tree with bars. A span whose parent is not among them is a root: of a whole trace there is one. */
export function drawTree(spans: Span[], options: TraceTreeOptions): string {
  const rows = rowsOf(spans, options);
  const [root] = rows.map(({ span }) => span);
  if (!root) return '';
  const width = (cells: string[]) => Math.max(...cells.map(({ length }) => length));
  const label = width(rows.map((row) => row.label));
  const what = width(rows.map((row) => row.what));
  const result = width(rows.map((row) => row.result));
  const time = width(rows.map(({ span }) => timeOf(span)));
  const scale = {
    from: root.start,
    to: Math.max(...rows.map(({ span }) => span.start + span.duration)),
    cells: Math.min(MOST_BAR, Math.max(LEAST_BAR, options.columns - label - what - result - time - 5)),
  };
  const lines = rows.map((row) => {
    const cells = [row.label.padEnd(label), row.what.padEnd(what), row.result.padStart(result)];
    const line = `${cells.join(' ')} ${timeOf(row.span).padStart(time)}  ${bar(row, scale)}`;
    return row.span.error || row.answer?.error ? styleText('red', line) : line;
  });
  return [`${styleText('bold', titleOf(root))}  ${styleText('dim', `trace ${root.traceId}`)}`, ...lines].join('\n');
}

function titleOf(root: Span): string {
  const { 'http.request.method': method, 'url.path': path, 'enduser.id': user } = root.attributes;
  const title = path === undefined ? root.name : `${method} ${path} ${resultOf(root)}`;
  return printable(user === undefined ? title : `${title}, ${user}`);
}

function rowsOf(spans: Span[], { verbose }: TraceTreeOptions): Row[] {
  const children = Map.groupBy(spans, ({ parentSpanId }) => parentSpanId);
  const isCall = ({ kind }: Span) => kind === KIND.client || kind === KIND.server;
  const below = (parents: Span[]): Span[] =>
    parents
      .flatMap(({ spanId }) => children.get(spanId) ?? [])
      .flatMap((span) => (verbose || isCall(span) ? span : below([span])))
      .toSorted(byStart);

  const rows: Row[] = [];
  // `branch` comes before the name of a row, `indent` before the branches of those below it.
  const add = (span: Span, branch: string, indent: string) => {
    const isAsking = !verbose && span.kind === KIND.client;
    const answer = isAsking ? children.get(span.spanId)?.find(({ kind }) => kind === KIND.server) : undefined;
    const label = branch + (isAsking && !answer ? whoWasAsked(span) : workloadOf(answer ?? span));
    const name = (answer ?? span).name;
    const what = verbose ? `${name} ${KIND_NAMES[span.kind] ?? ''}` : branch === '' ? '' : name;
    rows.push({ label, what, result: resultOf(span), span, answer });
    const calls = below(answer ? [span, answer] : [span]).filter((it) => it !== answer);
    for (const [i, call] of calls.entries()) {
      const isLast = i === calls.length - 1;
      add(call, `${indent}${isLast ? '└─' : '├─'} `, `${indent}${isLast ? '  ' : '│ '} `);
    }
  };
  const ids = new Set(spans.map(({ spanId }) => spanId));
  const roots = spans.filter(({ parentSpanId }) => !ids.has(parentSpanId)).toSorted(byStart);
  for (const root of roots) add(root, '', '');
  return rows;
}

/** Calls that are made together begin in the same millisecond, and have an order all the same. */
const byStart = (a: Span, b: Span): number => a.start - b.start || a.name.localeCompare(b.name);

/** `reviews v2`, or `reviews proxy`, which has no version. */
function workloadOf({ attributes, resource }: Span): string {
  const what = attributes.component === 'proxy' ? 'proxy' : resource['service.version'];
  return [resource['service.name'], what].filter(Boolean).join(' ');
}

function whoWasAsked({ attributes }: Span): string {
  return String(attributes['peer.service'] ?? attributes['db.system.name'] ?? attributes['server.address']);
}

/** A status, which proxies have under its old name, or what came instead of one. */
function resultOf({ attributes }: Span): string {
  return String(
    attributes['http.response.status_code'] ?? attributes['http.status_code'] ?? attributes['error.type'] ?? '',
  );
}

function timeOf({ duration }: Span): string {
  return `${duration < 10 ? duration.toFixed(1) : Math.round(duration)} ms`;
}

/** When it was: █ while a service of ours was at work, ░ on the way to it and back, or to one that did not answer. */
function bar({ span, answer }: Row, { from, to, cells }: { from: number; to: number; cells: number }): string {
  const cellAt = (moment: number) =>
    Math.max(0, Math.min(cells - 1, Math.floor(((moment - from) / (to - from || 1)) * cells)));
  const cellsOf = ({ start, duration }: Span) => [cellAt(start), cellAt(start + duration)] as const;
  const [first, last] = cellsOf(span);
  const work = answer ?? (span.kind === KIND.client ? undefined : span);
  const [firstAtWork, lastAtWork] = work ? cellsOf(work) : [cells, cells];
  const signs = Array.from({ length: last + 1 }, (_, i) =>
    i < first ? ' ' : i >= firstAtWork && i <= lastAtWork ? '█' : '░',
  );
  return signs.join('');
}
