import type { FastifyReply, FastifyRequest } from 'fastify';

const COOKIE = 'session';
/** A course day. Pods share nothing but the secret, so that signing out ends it in that browser: a copy lives this long. */
const LIFETIME_MS = 12 * 60 * 60 * 1000;
/** No control characters, no line breaks, nothing that turns the direction of the text around it. */
const ALLOWED = /^[^\p{Cc}\p{Cs}\p{Zl}\p{Zp}\p{Bidi_Control}]{1,64}$/u;
const VISIBLE = /[^\p{Z}\p{Default_Ignorable_Code_Point}]/u;

/**
 * The name that a user signs in by, as it is kept: no blanks around it, and one way to write each character. Any name will
 * do and no password is checked: the lessons route on who somebody says they are. Undefined when it is none.
 */
export function userNameOf(input: unknown): string | undefined {
  if (typeof input !== 'string') return undefined;
  const name = input.normalize('NFC').trim();
  return ALLOWED.test(name) && VISIBLE.test(name) ? name : undefined;
}

/** The signed-in user's name; undefined without a cookie, or with one that we did not sign or that is too old. */
export function currentUser(request: FastifyRequest): string | undefined {
  const signed = request.cookies[COOKIE];
  if (!signed) return undefined;
  const { valid, value } = request.unsignCookie(signed);
  const [, name, end] = /^(.+)\.([0-9a-z]+)$/s.exec(valid ? value : '') ?? [];
  return end !== undefined && Number.parseInt(end, 36) > Date.now() ? userNameOf(name) : undefined;
}

export function signIn(request: FastifyRequest, reply: FastifyReply, user: string): void {
  const end = (Date.now() + LIFETIME_MS).toString(36);
  reply.setCookie(COOKIE, `${user}.${end}`, { ...optionsFor(request), signed: true });
}

export function signOut(request: FastifyRequest, reply: FastifyReply): void {
  reply.clearCookie(COOKIE, optionsFor(request));
}

/** `Secure` where a proxy that we trust says that the browser speaks TLS to it. */
function optionsFor({ protocol }: FastifyRequest) {
  return { path: '/', httpOnly: true, sameSite: 'lax', secure: protocol === 'https' } as const;
}
