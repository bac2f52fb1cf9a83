import { forwardedHeaders } from '@bookinfo/chassis';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Caller } from './backends.ts';

const COOKIE = 'session';
const COOKIE_OPTIONS = { path: '/', httpOnly: true, sameSite: 'lax' } as const;
/** No control characters: the name travels in the `end-user` header. */
const USER_NAME = /^[^\p{Cc}\p{Cs}]{1,64}$/u;

/** Any name will do and no password is checked: the lessons route on who somebody says they are. */
export const isUserName = (name: string): boolean => USER_NAME.test(name);

/** The signed-in user's name; undefined without a cookie, or with one that we did not sign. */
export function currentUser(request: FastifyRequest): string | undefined {
  const signed = request.cookies[COOKIE];
  if (!signed) return undefined;
  const { valid, value } = request.unsignCookie(signed);
  return valid && value !== null && isUserName(value) ? value : undefined;
}

export function signIn(reply: FastifyReply, user: string): void {
  reply.setCookie(COOKIE, user, { ...COOKIE_OPTIONS, signed: true });
}

export function signOut(reply: FastifyReply): void {
  reply.clearCookie(COOKIE, COOKIE_OPTIONS);
}

/**
 * What a backend call needs to know of the request it is made for. `end-user` comes from the session alone: a client
 * that sends the header itself does not become that user. Header values are ASCII, so other names are URI-encoded.
 */
export function callerOf(request: FastifyRequest): Caller {
  const { 'end-user': _claimed, ...headers } = forwardedHeaders(request.headers);
  const user = currentUser(request);
  if (user !== undefined) headers['end-user'] = /^[\x20-\x7e]+$/.test(user) ? user : encodeURIComponent(user);
  return { headers, log: request.log };
}
