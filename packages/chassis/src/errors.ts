import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';

/** An error whose text is part of the interface: the body of the answer is exactly `{"error": message}`. */
export class HttpError extends Error {
  readonly statusCode: number;
  constructor(statusCode: number, message: string) {
    super(message);
    this.statusCode = statusCode;
  }
}

/** A request that is not even looked at. The answer names it, as every error's does that is not part of the interface. */
export class Refusal extends Error {
  readonly statusCode: number;
  constructor(statusCode: number, message: string) {
    super(message);
    this.statusCode = statusCode;
  }
}

/** Every error is a JSON answer; what went wrong inside a service stays in its log. */
export function onError(error: FastifyError, request: FastifyRequest, reply: FastifyReply) {
  if (error instanceof HttpError) return reply.code(error.statusCode).send({ error: error.message });
  const status = error.statusCode ?? 500;
  const isClients = status < 500 || error instanceof Refusal;
  if (isClients) return reply.code(status).send({ error: error.message, requestId: request.id });
  request.log.error({ err: error }, 'request failed');
  return reply.code(status).send({ error: 'Internal server error', requestId: request.id });
}
