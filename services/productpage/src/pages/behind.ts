import type { Call, CallTry, PageReport } from '@bookinfo/contract';
import { html } from 'ghtml';
import { duration } from '../language.ts';
import type { Messages } from '../messages/en.ts';
import { chip, lastTry, resultsOf, timeOf } from './calls.ts';

export interface Behind {
  messages: Messages;
  report: PageReport;
  jaegerUrl: string | undefined;
  /** Where this page was asked for, such as `localhost:9080`. */
  host: string;
}

/** What a mesh student wants to see: who answered, how fast, in which order, and under which trace. */
export function behindThisPage(page: Behind): string {
  const { messages: m, report } = page;
  const { durationMs, productpage } = report;
  const own = { startMs: 0, durationMs, ok: true, status: 200, ...productpage };
  return html`<section class="behind" aria-labelledby="behind">
<h2 id="behind">${m.behindThisPage}</h2>
<table role="table">
<thead role="rowgroup"><tr role="row">
!${[m.service, m.version, m.pod, m.result, m.time].map((name) => html`<th role="columnheader" scope="col">${name}</th>`)}
<th role="columnheader" scope="col" class="scale"><span class="unseen">${m.timeline}</span><span aria-hidden="true">0</span><span aria-hidden="true">${duration(durationMs / 2)}</span><span aria-hidden="true">${duration(durationMs)}</span></th>
</tr></thead>
<tbody role="rowgroup">
!${row({ service: 'productpage', parent: '', tries: [own] }, 0, page)}!${rowsOfCallsBy('productpage', 1, page)}</tbody>
</table>
<dl class="ids">
<div><dt>${m.trace}</dt><dd>!${traceLink(page)}</dd></div>
<div><dt>${m.request}</dt><dd><code>${report.requestId}</code></dd></div>
</dl>
!${shellCommands(page)}
</section>`;
}

function rowsOfCallsBy(parent: string, depth: number, page: Behind): string {
  return page.report.calls
    .filter((call) => call.parent === parent)
    .map((call) => row(call, depth, page) + rowsOfCallsBy(call.service, depth + 1, page))
    .join('');
}

function row(call: Call, depth: number, { messages: m, report }: Behind): string {
  const last = lastTry(call);
  const cells = [
    html`<td role="cell">!${chip(call.service, last)}</td>`,
    html`<td role="cell" class="pod">${last.pod ?? '–'}</td>`,
    html`<td role="cell" class="result">!${resultsOf(call, m)}</td>`,
    html`<td role="cell" class="time">${duration(timeOf(call))}</td>`,
    html`<td role="cell" class="bars">!${bars(call, report.durationMs)}</td>`,
  ];
  return html`<tr role="row"!${last.ok ? '' : ' class="failed"'}><th role="rowheader" scope="row" data-depth="${String(depth)}">${call.service}</th>!${cells}</tr>
`;
}

/** One bar per try, on the scale of the whole page. Attributes, for a `style` would be refused by the page's own policy. */
function bars(call: Call, totalMs: number): string {
  const percent = (ms: number) => `${((100 * ms) / Math.max(totalMs, 0.1)).toFixed(1)}%`;
  const bar = ({ startMs, durationMs, ok }: CallTry) =>
    html`<rect x="${percent(startMs)}" width="${percent(durationMs)}" height="100%"!${ok ? '' : ' class="failed"'}/>`;
  const { version } = lastTry(call);
  return html`<svg data-service="${call.service}" data-version="${version ?? ''}" aria-hidden="true">!${call.tries.map(bar)}</svg>`;
}

function traceLink({ messages: m, report: { traceId }, jaegerUrl }: Behind): string {
  if (!traceId) return html`<span class="hint">${m.noTrace}</span>`;
  if (!jaegerUrl) return html`<code>${traceId}</code>`;
  const url = `${jaegerUrl.replace(/\/$/, '')}/trace/${traceId}`;
  return html`<code>${traceId}</code> · <a href="${url}">${m.openInJaeger}</a>`;
}

/** Neither command has a text in it that courses search this page for. */
function shellCommands({ messages: m, report, host }: Behind): string {
  return html`<details>
<summary>${m.fromAShell}</summary>
<p>${m.logsOfRequest}</p>
<pre><code>${LOGS_OF_REQUEST}${report.requestId}</code></pre>
<p>${m.whoAnswers}</p>
<pre><code>${countVersions(host)}</code></pre>
</details>`;
}

/** Before a request's id: what each program and each proxy of the application logged about it. */
export const LOGS_OF_REQUEST =
  "kubectl logs -l 'app in (productpage,details,reviews,ratings)' --all-containers --prefix --tail=-1 | grep ";

/** A command that shows how the mesh spreads requests over the versions of reviews. */
export function countVersions(host: string): string {
  return `for i in $(seq 20); do curl -s ${host}/api/v1/products/0/reviews | grep -o 'reviews-v[0-9]'; done | sort | uniq -c`;
}
