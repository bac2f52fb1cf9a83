import { type Caller, callerOf as requestCaller } from '@bookinfo/chassis';
import type { FastifyRequest } from 'fastify';
import { currentUser } from './session.ts';

/**
 * What a backend call needs to know of the request it is made for. `end-user` comes from the session alone: a client
 * that sends the header itself does not become that user. Header values are ASCII, so other
 * names are URI-encoded, and so is one with a percent sign, or two users could be taken for one.
 */
export function callerOf(request: FastifyRequest): Caller {
  const { headers, log } = requestCaller(request);
  const { 'end-user': _claimed, ...others } = headers;
  const user = currentUser(request);
  if (user === undefined) return { headers: others, log };
  return {
    headers: { ...others, 'end-user': /^[\x20-\x24\x26-\x7e]+$/.test(user) ? user : encodeURIComponent(user) },
    log,
  };
}
