/// <reference lib="dom" />
/** @import { Call, PageReport } from '@bookinfo/contract' */

/**
 * The live view: asks for the page's report again and again, each time through the gateway, and draws what comes back.
 * No framework, no build and no words: those come with the page, in its language.
 *
 * @typedef {object} Lane One user's answers.
 * @property {string} name
 * @property {HTMLElement} squares
 * @property {HTMLElement} count
 * @property {HTMLElement} share
 * @property {RequestCredentials} credentials
 * @property {number} inFlight
 * @property {Answer[]} answers the newest last
 *
 * @typedef {object} Answer
 * @property {number} number
 * @property {string} user
 * @property {Date} at
 * @property {number} durationMs
 * @property {PageReport} [report] absent when what came was no report of ours
 * @property {number} [status] of what came instead; absent when nothing came
 * @property {'status' | 'statusOfProxy'} [from] who said that
 * @property {string} [text] in which words
 */

/** Per lane. Browsers open six connections to a host: slow answers of one lane must not hold up the other. */
const MOST_IN_FLIGHT = 3;
const TIMEOUT_MS = 15_000;
const MOST_ANSWERS = 50;
const LONGEST_RUN_MS = 10 * 60_000;
const STATUS_EVERY_MS = 5_000;
const MOST_TEXT = 80;
/** Upper ends of the histogram's rows. */
const STEPS_MS = [10, 30, 100, 1_000, 3_000, Number.POSITIVE_INFINITY];

const live = byId('live');
const { url = '', logs = '', jaeger = '' } = live.dataset;
const words = JSON.parse(live.dataset.words ?? '{}');
const pause = /** @type {HTMLButtonElement} */ (byId('pause'));
const pace = /** @type {HTMLSelectElement} */ (byId('pace'));
const canary = /** @type {HTMLInputElement} */ (byId('canary'));

const shares = all('[data-share=reviews]');
/** @type {Lane[]} */
const lanes = all('.lane').map((lane, i) => ({
  name: lane.dataset.user ?? '',
  squares: /** @type {HTMLElement} */ (lane.querySelector('.squares')),
  count: /** @type {HTMLElement} */ (lane.querySelector('.count')),
  share: /** @type {HTMLElement} */ (shares[i]),
  credentials: /** @type {RequestCredentials} */ (lane.dataset.credentials),
  inFlight: 0,
  answers: [],
}));
const pageShare = /** @type {HTMLElement} */ (all('[data-share=productpage]')[0]);
let asked = 0;
let failures = 0;
let runningSince = performance.now();
/** @type {ReturnType<typeof setTimeout> | undefined} */
let timer;
/** Whether the user has chosen a square; until then the newest answer is shown. */
let chosen = false;

for (const part of all('[data-script]')) part.hidden = part.dataset.script === 'without';
pause.addEventListener('click', () => (timer === undefined ? run() : stop(words.paused)));
document.addEventListener('visibilitychange', () => {
  if (document.hidden) clearTimeout(timer);
  else if (timer !== undefined) tick();
});
setInterval(() => timer !== undefined && tell(fill(words.status, { n: asked, failed: failures })), STATUS_EVERY_MS);
run();

function run() {
  runningSince = performance.now();
  pause.textContent = words.pause;
  tell('');
  tick();
}

/** @param {string} reason */
function stop(reason) {
  clearTimeout(timer);
  timer = undefined;
  pause.textContent = words.resume;
  tell(reason);
}

function tick() {
  clearTimeout(timer);
  if (performance.now() - runningSince > LONGEST_RUN_MS) return stop(words.pausedForLong);
  timer = setTimeout(tick, Number(pace.value));
  for (const lane of lanes) if (lane.inFlight < MOST_IN_FLIGHT) void ask(lane);
}

/** @param {Lane} lane */
async function ask(lane) {
  const square = create('li', { className: 'pending', textContent: '…' });
  lane.squares.append(square);
  lane.inFlight++;
  const at = new Date();
  const start = performance.now();
  const came = await fetchReport(lane.credentials);
  lane.inFlight--;
  /** @type {Answer} */
  const answer = { number: ++asked, user: lane.name, at, durationMs: performance.now() - start, ...came };
  if (hasFailed(answer)) failures++;
  lane.answers.push(answer);
  square.className = '';
  square.replaceChildren(squareOf(answer));
  while (lane.answers.length > MOST_ANSWERS) forgetOldest(lane);
  draw(lane);
  if (!chosen) show(answer);
}

/**
 * @param {RequestCredentials} credentials
 * @returns {Promise<Pick<Answer, 'report' | 'status' | 'from' | 'text'>>}
 */
async function fetchReport(credentials) {
  try {
    const response = await fetch(url, {
      credentials,
      cache: 'no-store',
      headers: canary.checked ? { canary: 'true' } : {},
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    const text = await response.text();
    const report = response.ok && reportIn(text);
    if (report) return { report };
    // Services name their version in every answer.
    const from = response.headers.has('x-service-version') ? 'status' : 'statusOfProxy';
    const isMarkup = response.headers.get('content-type')?.includes('html');
    return { status: response.status, from, text: isMarkup ? '' : text.trim().slice(0, MOST_TEXT) };
  } catch {
    return {};
  }
}

/**
 * @param {string} text
 * @returns {PageReport | undefined}
 */
function reportIn(text) {
  try {
    const json = JSON.parse(text);
    return Array.isArray(json.calls) ? json : undefined;
  } catch {
    return undefined;
  }
}

/** @param {Lane} lane */
function forgetOldest(lane) {
  lane.answers.shift();
  const oldest = lane.squares.querySelector('li:not(.pending)');
  const next = oldest?.nextElementSibling?.querySelector('button');
  if (oldest?.contains(document.activeElement)) next?.focus();
  oldest?.remove();
}

/**
 * @param {Answer} answer
 * @param {string} service
 * @returns {Call | undefined}
 */
function callOf({ report }, service) {
  return report?.calls.find((call) => call.service === service);
}

/** @param {Answer} answer */
function failedCalls({ report }) {
  return report?.calls.filter((call) => !call.tries.at(-1)?.ok) ?? [];
}

/** @param {Answer} answer */
function hasFailed(answer) {
  return !answer.report || failedCalls(answer).length > 0;
}

/**
 * What a square and a share are called and how they look: `v3 ★`, `v3 ✕`, `✕`, `503`.
 *
 * @param {Answer} answer
 */
function outcomeOf(answer) {
  if (!answer.report) return { version: '', sign: answer.status ? String(answer.status) : '✕' };
  const reviews = callOf(answer, 'reviews')?.tries.at(-1);
  const version = reviews?.ok ? (reviews.version ?? '?') : '';
  return { version, sign: hasFailed(answer) ? '✕' : reviews?.stars ? '★' : '' };
}

/** @param {Answer} answer */
function squareOf(answer) {
  const { version, sign } = outcomeOf(answer);
  const square = create('button', {
    type: 'button',
    className: 'square',
    textContent: version.replace(/^v/, '') + sign,
  });
  square.classList.toggle('failed', hasFailed(answer));
  Object.assign(square.dataset, { service: 'reviews', version, page: answer.report?.productpage.version ?? '' });
  square.style.setProperty('--slow', String(slowness(answer.durationMs)));
  // Its name begins with what is seen of it, so that it can be called by that.
  const seen = answer.report ? [square.textContent] : [];
  square.title = [...seen, inWords(answer), duration(answer.durationMs)].join(', ');
  square.ariaLabel = square.title;
  square.addEventListener('click', (event) => {
    chosen = true;
    for (const other of all('.square[aria-current]')) other.removeAttribute('aria-current');
    square.setAttribute('aria-current', 'true');
    show(answer);
    // By keyboard: what there is to read and follow comes next.
    if (event.detail === 0) byId('answer-title').focus();
  });
  return square;
}

/** 0 for 3 ms or less, 1 for 6 s or more, on a logarithmic scale. @param {number} ms */
function slowness(ms) {
  return Math.min(1, Math.max(0, Math.log(ms / 3) / Math.log(2_000)));
}

/** @param {Answer} answer */
function inWords(answer) {
  const { version } = outcomeOf(answer);
  const { from, status, text } = answer;
  if (from && status) return [fill(words.reasons[from], { status }), text].filter(Boolean).join(': ');
  if (!answer.report) return words.nothing;
  const stars = callOf(answer, 'reviews')?.tries.at(-1)?.stars;
  return [
    `productpage ${answer.report.productpage.version}`,
    version && `reviews ${version}`,
    stars && fill(words.stars, { color: stars }),
    ...failedCalls(answer).map(({ service }) => fill(words.serviceFailed, { service })),
  ]
    .filter(Boolean)
    .join(', ');
}

/** @param {Lane} lane */
function draw(lane) {
  lane.count.textContent = fill(words.answersOf, { n: lane.answers.length });
  drawShare(lane.share, 'reviews', lane.answers);
  const answers = lanes.flatMap((each) => each.answers);
  drawShare(pageShare, 'productpage', answers);
  drawTimes(answers.map(({ durationMs }) => durationMs));
}

/**
 * @param {HTMLElement} place
 * @param {string} service
 * @param {Answer[]} answers
 */
function drawShare(place, service, answers) {
  const outcomes = answers.map((answer) =>
    service === 'reviews' || !answer.report
      ? { failed: hasFailed(answer), ...outcomeOf(answer) }
      : { failed: false, version: answer.report.productpage.version, sign: '' },
  );
  const groups = Map.groupBy(outcomes, ({ version, sign }) => `${version} ${sign}`.trim());
  const shares = [...groups]
    .map(([name, [first, ...others]]) => ({ name, first, n: 1 + others.length }))
    .toSorted((a, b) => Number(a.first?.failed) - Number(b.first?.failed) || a.name.localeCompare(b.name))
    // No-break spaces: a number stays with its name.
    .map((one) => ({
      ...one,
      label: `${one.name} ${Math.round((100 * one.n) / answers.length)} %`.replaceAll(' ', '\u00a0'),
    }));
  const legend = shares.map(({ label }) => label).join(' · ');
  const bars = shares.map(({ label, first, n }) => {
    const bar = create('span', { textContent: n / answers.length < 0.2 ? '' : label });
    Object.assign(bar.dataset, { service, version: first?.version });
    bar.classList.toggle('failed', first?.failed === true);
    bar.style.flexGrow = String(n);
    return bar;
  });
  place.querySelector('.legend')?.replaceChildren(legend);
  place.querySelector('.stack')?.replaceChildren(...bars);
}

/** @param {number[]} times in milliseconds */
function drawTimes(times) {
  const sorted = times.toSorted((a, b) => a - b);
  const quantile = (/** @type {number} */ q) => sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? 0;
  const rows = STEPS_MS.map((end, i) => {
    const start = STEPS_MS[i - 1] ?? 0;
    const n = sorted.filter((ms) => ms >= start && ms < end).length;
    const name = Number.isFinite(end) ? `< ${duration(end)}` : `≥ ${duration(start)}`;
    const bar = create('span', { className: 'bar' });
    bar.style.width = `${(100 * n) / sorted.length}%`;
    bar.classList.toggle('slow', !Number.isFinite(end));
    const track = create('span', { className: 'track' });
    track.append(bar);
    const row = create('li', {});
    row.append(create('span', { textContent: name }), track, create('span', { textContent: n ? String(n) : '' }));
    return row;
  });
  byId('times').replaceChildren(...rows);
  byId('quantiles').textContent = fill(words.quantiles, {
    half: duration(quantile(0.5)),
    most: duration(quantile(0.95)),
  });
}

/** @param {Answer} answer */
function show(answer) {
  const { number, user, at, durationMs, report } = answer;
  byId('answer-title').textContent = fill(words.answer, { n: number });
  /** @type {HTMLElement[]} */
  const parts = [
    create('p', { textContent: `${at.toLocaleTimeString(document.documentElement.lang)} · ${duration(durationMs)}` }),
  ];
  if (report) parts.push(pathOf(report, user), failuresOf(report), idsOf(report));
  else parts.push(create('p', { className: 'error', textContent: inWords(answer) }));
  byId('answer').replaceChildren(...parts);
}

/** As the page draws it. @param {PageReport} report @param {string} user */
function pathOf(report, user) {
  /** @type {(name: string, below: string, calls: HTMLElement[], chip?: HTMLElement) => HTMLElement} */
  const box = (name, below, calls, chip) => {
    const node = create('div', { className: chip ? 'node' : 'node caller' });
    node.classList.toggle('failed', chip?.classList.contains('failed') === true);
    node.append(create('strong', { textContent: name }));
    if (chip) node.append(' ', chip);
    if (below) node.append(create('small', { textContent: below }));
    const item = create('li', {});
    item.append(node, ...(calls.length > 0 ? [listOf(calls)] : []));
    return item;
  };
  /** @type {(items: HTMLElement[]) => HTMLOListElement} */
  const listOf = (items) => {
    const list = create('ol', {});
    list.append(...items);
    return list;
  };
  /** @type {(service: string, version: string | undefined, sign: string) => HTMLElement} */
  const chipOf = (service, version, sign) => {
    const chip = create('span', { className: 'chip', textContent: [version, sign].filter(Boolean).join(' ') });
    chip.classList.toggle('failed', sign === '✕');
    Object.assign(chip.dataset, { service, version: version ?? '' });
    return chip;
  };
  /** @type {(parent: string) => HTMLElement[]} */
  const callsBy = (parent) =>
    report.calls
      .filter((call) => call.parent === parent)
      .map(({ service, tries }) => {
        const [first, last] = [tries[0], tries.at(-1)];
        const ms = first && last ? last.startMs + last.durationMs - first.startMs : 0;
        const below = [duration(ms), tries.length > 1 ? fill(words.retried, { n: tries.length }) : ''];
        const chip = chipOf(service, last?.version, last?.ok ? (last.stars ? '★' : '') : '✕');
        return box(service, below.filter(Boolean).join(' · '), callsBy(service), chip);
      });
  const { version } = report.productpage;
  const page = box(
    'productpage',
    duration(report.durationMs),
    callsBy('productpage'),
    chipOf('productpage', version, ''),
  );
  const path = listOf([box(user, report.endUser ? `end-user: ${report.endUser}` : '', [page])]);
  path.className = 'path';
  return path;
}

/** Every try that failed, with the words of who refused. @param {PageReport} report */
function failuresOf(report) {
  const list = create('ul', { className: 'failures' });
  for (const { service, tries } of report.calls) {
    for (const { reason, from, status, timeoutMs = 0, text } of tries) {
      if (!reason) continue;
      const name = reason === 'status' && from === 'proxy' ? 'statusOfProxy' : reason;
      const result = fill(words.reasons[name], { seconds: timeoutMs / 1000, status: status ?? '' });
      const item = create('li', { textContent: `${service}: ${result}` });
      if (text) item.append(': ', create('q', { lang: 'en', textContent: text }));
      list.append(item);
    }
  }
  return list;
}

/** @param {PageReport} report */
function idsOf({ traceId, requestId }) {
  const list = create('dl', { className: 'ids' });
  /** @type {(name: string, ...parts: (string | Node)[]) => void} */
  const row = (name, ...parts) => {
    const dd = create('dd', {});
    dd.append(...parts);
    const div = create('div', {});
    div.append(create('dt', { textContent: name }), dd);
    list.append(div);
  };
  if (traceId) {
    const link = create('a', { href: `${jaeger}/trace/${traceId}`, textContent: words.openInJaeger });
    row(words.trace, create('code', { textContent: traceId }), ...(jaeger ? [' · ', link] : []));
  }
  const command = `${logs}${requestId}`;
  row(words.request, create('code', { textContent: command }), ...copyButton(command));
  return list;
}

/** None where the browser has no clipboard: it wants HTTPS or localhost. @param {string} text */
function copyButton(text) {
  if (!navigator.clipboard) return [];
  const button = create('button', { type: 'button', className: 'quiet small', textContent: words.copy });
  button.addEventListener('click', async () => {
    await navigator.clipboard.writeText(text);
    button.textContent = words.copied;
  });
  return [' ', button];
}

/** @param {string} text */
function tell(text) {
  byId('status').textContent = text;
}

/** @param {string} message @param {Record<string, string | number>} values */
function fill(message, values) {
  return message.replace(/\{(\w+)\}/g, (_, name) => String(values[name]));
}

/** @param {number} ms */
function duration(ms) {
  return ms < 999.5 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}

/**
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} name
 * @param {Partial<HTMLElementTagNameMap[K]>} properties
 */
function create(name, properties) {
  return Object.assign(document.createElement(name), properties);
}

/** @param {string} id */
function byId(id) {
  return /** @type {HTMLElement} */ (document.getElementById(id));
}

/** @param {string} selector */
function all(selector) {
  return /** @type {HTMLElement[]} */ ([...document.querySelectorAll(selector)]);
}
