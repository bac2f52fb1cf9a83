import { html } from 'ghtml';
import { LANGUAGES, type Language, messagesFor } from '../language.ts';
import type { Messages } from '../messages/en.ts';

export interface Frame {
  messages: Messages;
  language: Language;
  /** Of productpage itself. The stylesheet gives v2, the canary, another colour. */
  version: string;
  user: string | undefined;
  view: 'start' | 'page' | 'live';
}

/** The banner's colour, for the browser's own bars. The icon has it too: a canary can be seen among the tabs. */
const BANNERS: Record<string, string> = { v2: '#14532d' };
const BANNER = '#1e3a8a';

/** The frame around every page. Links are relative, so that it works under a path prefix. */
export function layout(frame: Frame, main: string): string {
  const { messages: m, language, version, user, view } = frame;
  const title = view === 'live' ? `${m.liveTitle} · ${m.siteTitle}` : m.siteTitle;
  const icon = version in BANNERS ? `icon-${version}.svg` : 'icon.svg';
  return html`<!doctype html>
<html lang="${language}" data-version="${version}">
<head>
<meta charset="utf-8">
<title>${title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="theme-color" content="${BANNERS[version] ?? BANNER}">
<link rel="icon" href="static/${icon}" type="image/svg+xml">
<link rel="stylesheet" href="static/style.css">
!${view === 'live' ? '<script type="module" src="static/live.js"></script>\n' : ''}</head>
<body>
<a class="skip" href="#main">${m.skipToContent}</a>
<header>
<a class="brand" href="productpage">Bookinfo</a>
<span class="version" title="productpage">productpage ${version}</span>
<nav aria-label="${m.views}">
<a href="productpage"!${view === 'page' ? CURRENT : ''}>${m.viewPage}</a>
<a href="productpage?view=live"!${view === 'live' ? CURRENT : ''}>${m.viewLive}</a>
</nav>
<div class="visitor">
<nav aria-label="${m.language}">
!${LANGUAGES.map((l) => languageLink(l, frame))}
</nav>
!${user === undefined ? signInButton(m) : signOutLink(m, user)}
</div>
</header>
<main id="main">
!${main}
</main>
!${user === undefined ? signInDialog(m) : ''}
</body>
</html>
`;
}

const CURRENT = ' aria-current="page"';

function languageLink(language: Language, { language: current, view }: Frame): string {
  const query = view === 'live' ? 'view=live&amp;' : '';
  const name = messagesFor(language).languageName;
  return html`<a href="?!${query}lang=${language}" lang="${language}" hreflang="${language}"!${language === current ? ' aria-current="true"' : ''}>${name}</a>
`;
}

/** `command` makes a real modal dialog without a script; browsers that do not know it yet open a popover. */
function signInButton(m: Messages): string {
  return html`<button type="button" commandfor="sign-in" command="show-modal" popovertarget="sign-in">${m.signIn}</button>`;
}

function signOutLink(m: Messages, user: string): string {
  return html`<span class="user">${m.signedInAs} <strong>${user}</strong></span>
<a class="button" href="logout">${m.signOut}</a>`;
}

function signInDialog(m: Messages): string {
  return html`<dialog id="sign-in" popover closedby="any" aria-labelledby="sign-in-title">
<form method="post" action="login">
<h2 id="sign-in-title">${m.signIn}</h2>
<label for="username">${m.userName}</label>
<input id="username" name="username" autocomplete="username" required maxlength="64" autofocus>
<label for="passwd">${m.password}</label>
<input id="passwd" name="passwd" type="password" autocomplete="current-password" aria-describedby="passwd-hint">
<p id="passwd-hint" class="hint">${m.passwordHint}</p>
<div class="actions">
<button type="submit">${m.signIn}</button>
<button type="button" class="quiet" commandfor="sign-in" command="close" popovertarget="sign-in" popovertargetaction="hide">${m.cancel}</button>
</div>
</form>
</dialog>`;
}
