import { validatorOf } from '@bookinfo/chassis';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Type } from 'typebox';

const COOKIE = 'session';
const COOKIE_OPTIONS = { path: '/', httpOnly: true, sameSite: 'lax' } as const;
/**
 * Any name will do and no password is checked: the lessons route on who somebody says they are. No control characters:
 * the name travels in the `end-user` header.
 */
export const UserName = Type.String({ pattern: '^[^\\p{Cc}\\p{Cs}]{1,64}$' });
const isUserName = validatorOf(UserName);

/** The signed-in user's name; undefined without a cookie, or with one that we did not sign. */
export function currentUser(request: FastifyRequest): string | undefined {
  const signed = request.cookies[COOKIE];
  if (!signed) return undefined;
  const { valid, value } = request.unsignCookie(signed);
  return valid && isUserName(value) ? value : undefined;
}

export function signIn(reply: FastifyReply, user: string): void {
  reply.setCookie(COOKIE, user, { ...COOKIE_OPTIONS, signed: true });
}

export function signOut(reply: FastifyReply): void {
  reply.clearCookie(COOKIE, COOKIE_OPTIONS);
}
