import { type Answer, describeReason } from '@bookinfo/chassis';
import type { BookDetails, ReviewsOfProduct } from '@bookinfo/contract';
import { html } from 'ghtml';
import type { Messages } from '../messages/en.ts';

export interface Behind {
  messages: Messages;
  version: string;
  pod: string;
  details: Answer<BookDetails>;
  reviews: Answer<ReviewsOfProduct>;
  requestId: string;
  traceId: string | undefined;
  jaegerUrl: string | undefined;
}

/** What a mesh student wants to see: who answered, how fast, and under which trace. */
export function behindThisPage(page: Behind): string {
  const { messages: m, details, reviews } = page;
  return html`<section class="behind" aria-labelledby="behind">
<h2 id="behind">${m.behindThisPage}</h2>
<div class="scroll" tabindex="0" role="region" aria-labelledby="behind">
<table>
<thead><tr><th scope="col">${m.service}</th><th scope="col">${m.version}</th><th scope="col">${m.pod}</th><th scope="col">${m.result}</th><th scope="col">${m.time}</th></tr></thead>
<tbody>
<tr><th scope="row">productpage</th><td>${page.version}</td><td>${page.pod}</td><td>${m.ok}</td><td></td></tr>
!${backendRow('details', details, m)}
!${backendRow('reviews', reviews, m)}
</tbody>
</table>
</div>
<dl class="ids">
<div><dt>${m.trace}</dt><dd>!${traceLink(page)}</dd></div>
<div><dt>${m.request}</dt><dd><code>${page.requestId}</code></dd></div>
</dl>
</section>`;
}

function backendRow(service: string, answer: Answer<unknown>, m: Messages): string {
  const { version = '–', pod = '–' } = answer.ok ? answer.servedBy : {};
  const result = answer.ok ? m.ok : describeReason(answer.reason);
  const tries = answer.tries.length > 1 ? ` (${m.tries(answer.tries.length)})` : '';
  const time = `${Math.round(answer.durationMs)} ms`;
  return html`<tr!${answer.ok ? '' : ' class="failed"'}><th scope="row">${service}</th><td>${version}</td><td>${pod}</td><td>${result}${tries}</td><td>${time}</td></tr>`;
}

function traceLink({ messages: m, traceId, jaegerUrl }: Behind): string {
  if (!traceId) return html`<span class="hint">${m.noTrace}</span>`;
  if (!jaegerUrl) return html`<code>${traceId}</code>`;
  const url = `${jaegerUrl.replace(/\/$/, '')}/trace/${traceId}`;
  return html`<code>${traceId}</code> · <a href="${url}">${m.openInJaeger}</a>`;
}
