import type { FastifyReply, FastifyRequest } from 'fastify';
import { en, type Messages } from './messages/en.ts';
import { ko } from './messages/ko.ts';

const MESSAGES = { en, ko };
export type Language = keyof typeof MESSAGES;
/** The first is the default, which scripts with no Accept-Language get. */
export const LANGUAGES = Object.keys(MESSAGES) as Language[];

const COOKIE = 'language';

export const messagesFor = (language: Language): Messages => MESSAGES[language];

/** Puts values into a message: `{n} tries` with `{ n: 2 }` is `2 tries`. */
export function fill(message: string, values: Record<string, string | number>): string {
  return message.replace(/\{(\w+)\}/g, (_, name) => String(values[name]));
}

/** `15 ms`, or `6.0 s` from one second on. */
export function duration(ms: number): string {
  return ms < 999.5 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}

/** What the switch in the page says, else what it said last time, else what the browser prefers. */
export function languageOf(request: FastifyRequest): Language {
  const accepted = request.accepts().languages(LANGUAGES);
  return chosen(request) ?? known(request.cookies[COOKIE]) ?? known(accepted) ?? 'en';
}

export function rememberLanguage(request: FastifyRequest, reply: FastifyReply, language: Language): void {
  if (chosen(request)) reply.setCookie(COOKIE, language, { path: '/', sameSite: 'lax', httpOnly: true });
}

function chosen(request: FastifyRequest): Language | undefined {
  return known((request.query as { lang?: unknown }).lang);
}

function known(language: unknown): Language | undefined {
  return LANGUAGES.find((l) => l === language);
}
