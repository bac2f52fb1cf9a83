import type { FastifyReply, FastifyRequest } from 'fastify';
import { en, type Messages } from './messages/en.ts';
import { ko } from './messages/ko.ts';

const MESSAGES = { en, ko };
export type Language = keyof typeof MESSAGES;
/** The first is the default, which scripts with no Accept-Language get. */
export const LANGUAGES = Object.keys(MESSAGES) as Language[];

const COOKIE = 'language';

export const messagesFor = (language: Language): Messages => MESSAGES[language];

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
