import type { PageReport } from '@bookinfo/contract';
import { html } from 'ghtml';
import { duration } from '../language.ts';
import type { Messages } from '../messages/en.ts';
import { chip, inShort, lastTry } from './calls.ts';

/** Who called whom, as a list of lists: the stylesheet draws the lines. */
export function callPath(report: PageReport, user: string | undefined, m: Messages): string {
  const header = report.endUser === undefined ? '' : html`<small>end-user: ${report.endUser}</small>`;
  const page = chip('productpage', report.productpage);
  return html`<ol class="path">
<li><div class="node caller"><strong>${user ?? m.you}</strong>!${header}</div>
<ol>
<li><div class="node"><strong>productpage</strong> !${page}<small>${duration(report.durationMs)}</small></div>
!${callsBy('productpage', report, m)}
</li>
</ol>
</li>
</ol>`;
}

function callsBy(parent: string, report: PageReport, m: Messages): string {
  const calls = report.calls.filter((call) => call.parent === parent);
  if (calls.length === 0) return '';
  return html`<ol>
!${calls.map((call) => {
    const last = lastTry(call);
    return html`<li><div class="node!${last.ok ? '' : ' failed'}"><strong>${call.service}</strong> !${chip(call.service, last)}<small>${inShort(call, m)}</small></div>!${callsBy(call.service, report, m)}</li>
`;
  })}</ol>`;
}
