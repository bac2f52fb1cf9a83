import { html } from 'ghtml';
import { LANGUAGES, type Language, messagesFor } from '../language.ts';
import type { Messages } from '../messages/en.ts';

export interface Frame {
  messages: Messages;
  language: Language;
  /** Of productpage itself. The stylesheet gives v2, the canary, another colour. */
  version: string;
  user: string | undefined;
}

/** The frame around every page. Links are relative, so that it works under a path prefix. */
export function layout({ messages: m, language, version, user }: Frame, main: string): string {
  return html`<!doctype html>
<html lang="${language}" data-version="${version}">
<head>
<meta charset="utf-8">
<title>${m.siteTitle}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="static/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="static/style.css">
</head>
<body>
<a class="skip" href="#main">${m.skipToContent}</a>
<header>
<a class="brand" href="productpage">Bookinfo</a>
<span class="version" title="productpage">productpage ${version}</span>
<nav aria-label="${m.language}">
!${LANGUAGES.map((l) => languageLink(l, l === language))}
</nav>
!${user === undefined ? signInButton(m) : signOutLink(m, user)}
</header>
<main id="main">
!${main}
</main>
!${user === undefined ? signInDialog(m) : ''}
</body>
</html>
`;
}

function languageLink(language: Language, current: boolean): string {
  const name = messagesFor(language).languageName;
  return html`<a href="?lang=${language}" lang="${language}"!${current ? ' aria-current="true"' : ''}>${name}</a>
`;
}

function signInButton(m: Messages): string {
  return html`<button type="button" popovertarget="sign-in">${m.signIn}</button>`;
}

function signOutLink(m: Messages, user: string): string {
  return html`<span class="user">${m.signedInAs} <strong>${user}</strong></span>
<a class="button" href="logout">${m.signOut}</a>`;
}

/** A popover opens without a line of JavaScript. */
function signInDialog(m: Messages): string {
  return html`<dialog id="sign-in" popover aria-labelledby="sign-in-title">
<form method="post" action="login">
<h2 id="sign-in-title">${m.signIn}</h2>
<label for="username">${m.userName}</label>
<input id="username" name="username" autocomplete="username" required maxlength="64" autofocus>
<label for="passwd">${m.password}</label>
<input id="passwd" name="passwd" type="password" autocomplete="current-password" aria-describedby="passwd-hint">
<p id="passwd-hint" class="hint">${m.passwordHint}</p>
<div class="actions">
<button type="submit">${m.signIn}</button>
<button type="button" class="quiet" popovertarget="sign-in" popovertargetaction="hide">${m.cancel}</button>
</div>
</form>
</dialog>`;
}
