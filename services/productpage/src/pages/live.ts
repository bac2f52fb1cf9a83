import { html } from 'ghtml';
import { duration } from '../language.ts';
import type { Messages } from '../messages/en.ts';
import { type Behind, countVersions, LOGS_OF_REQUEST } from './behind.ts';
import { callPath } from './call-path.ts';
import { type Frame, layout } from './layout.ts';

/** How often the script may ask, in milliseconds, and how that is written. */
const PACES: readonly [ms: number, name: string][] = [
  [250, '¼ s'],
  [500, '½ s'],
  [1000, '1 s'],
  [2000, '2 s'],
];
const PACE = 500;

/**
 * Page after page as squares, drawn by static/live.js, which finds its words here. Where no script runs, the page has one
 * answer, and says how to get more.
 */
export function livePage(page: Frame & Behind): string {
  const { messages: m, report, user, jaegerUrl } = page;
  const { retried, reasons, trace, request, openInJaeger, pause, resume } = m;
  const words = { ...m.live, retried, reasons, trace, request, openInJaeger, pause, resume };
  return layout(
    page,
    html`<section class="intro">
<h1>${m.liveTitle}</h1>
<p>${m.liveIntro}</p>
<div class="controls" data-script="with" hidden>
<button type="button" id="pause">${m.pause}</button>
<label for="pace">${m.every}</label>
<select id="pace">
!${PACES.map(([ms, name]) => html`<option value="${String(ms)}"!${ms === PACE ? ' selected' : ''}>${name}</option>`)}
</select>
<label class="check"><input type="checkbox" id="canary"> ${m.withHeader} <code>canary: true</code></label>
<p id="status" role="status"></p>
</div>
<div data-script="without">
<p>${m.liveWithoutScript}</p>
<p><a class="button" href="productpage?view=live">${m.askOnceMore}</a></p>
<p>${m.watchInShell}</p>
<pre><code>${countVersions(page.host)}</code></pre>
</div>
</section>
<div class="live" id="live" data-script="with" data-url="api/v1/products/0/page" data-logs="${LOGS_OF_REQUEST}" data-jaeger="${jaegerUrl?.replace(/\/$/, '') ?? ''}" data-words="${JSON.stringify(words)}" hidden>
<section aria-labelledby="answers">
<h2 id="answers">${m.answers}</h2>
!${user === undefined ? lane(m.everybody, 'same-origin') : lane(user, 'same-origin') + lane(m.anybodyElse, 'omit')}
!${legend(m)}
</section>
<div class="figures">
<section aria-labelledby="share">
<h2 id="share">${m.share}</h2>
!${share('productpage', 'productpage')}
!${user === undefined ? share('reviews', 'reviews') : share('reviews', `reviews, ${user}`) + share('reviews', `reviews, ${m.anybodyElse}`)}
</section>
<section aria-labelledby="how-long">
<h2 id="how-long">${m.howLong}</h2>
<ol class="times" id="times"></ol>
<p id="quantiles"></p>
</section>
</div>
</div>
<section class="answer" aria-labelledby="answer-title">
<h2 id="answer-title" tabindex="-1">${m.justNow}</h2>
<p class="hint" data-script="with" hidden>${m.chosenHint}</p>
<div id="answer">
<p>${duration(report.durationMs)}</p>
!${callPath(report, user, m)}
</div>
</section>
<section class="mirror">
<p>${m.mirrorHint}</p>
<pre><code>kubectl logs deploy/reviews-v3 -c reviews --tail=1 -f</code></pre>
</section>`,
  );
}

/** The answers of one user. Without the cookie a request is anybody's: two users in one browser. */
function lane(name: string, credentials: 'same-origin' | 'omit'): string {
  return html`<div class="lane" data-user="${name}" data-credentials="${credentials}">
<h3>${name}</h3> <span class="count"></span>
<ol class="squares"></ol>
</div>
`;
}

function share(service: string, name: string): string {
  return html`<div data-share="${service}">
<p>${name}: <span class="legend"></span></p>
<div class="stack" aria-hidden="true"></div>
</div>
`;
}

function legend(m: Messages): string {
  const square = (text: string, version: string, rest = '') =>
    html`<span class="square!${rest}" data-service="reviews" data-version="${version}">${text}</span>`;
  const rows = [
    [square('1', 'v1') + square('2★', 'v2') + square('3★', 'v3'), m.legendVersion],
    [square('✕', '', ' failed') + square('503', '', ' failed'), m.legendFailed],
    [square('3✕', 'v3', ' failed'), m.legendPartly],
    [html`<span class="square" data-service="reviews" data-version="v1" data-page="v2">1</span>`, m.legendCanary],
  ];
  return html`<dl class="legend" aria-label="${m.legend}">
!${rows.map(([squares, text]) => html`<div><dt aria-hidden="true">!${squares}</dt><dd>${text}</dd></div>`)}
</dl>`;
}
