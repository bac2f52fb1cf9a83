import { randomUUID } from 'node:crypto';
import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyInstance } from 'fastify';
import type { ChassisConfig } from './config.ts';
import { answerHeaders, record } from './request-context.ts';

const STATUS_OF_CODE: Record<string, number> = {
  ERR_HTTP_REQUEST_TIMEOUT: 408,
  HPE_CHUNK_EXTENSIONS_OVERFLOW: 413,
  HPE_HEADER_OVERFLOW: 431,
};

/**
 * Answers what the HTTP parser refuses and Fastify never sees (no HTTP, too large a header, a request that does not
 * come to its end) as any other error is answered, logged and counted.
 */
export function answerUnparsable(
  app: FastifyInstance,
  config: ChassisConfig,
  error: NodeJS.ErrnoException,
  socket: Socket,
): void {
  // Hung up. Or an answer to an earlier request is under way, which nothing may come before.
  if (!socket.writable || error.code === 'ECONNRESET' || app.isAnswering(socket)) {
    socket.destroy();
    return;
  }
  const status = STATUS_OF_CODE[error.code ?? ''] ?? 400;
  const requestId = randomUUID();
  const body = JSON.stringify({ error: STATUS_CODES[status], requestId });
  const headers = {
    ...answerHeaders(config, requestId),
    'content-type': 'application/json; charset=utf-8',
    'content-length': body.length,
    connection: 'close',
  };
  const head = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.write(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${head.join('')}\r\n${body}`);
  socket.destroySoon();

  const log = app.log.child({ request_id: requestId, code: error.code });
  record(app, log, { method: '_OTHER', path: '', route: undefined, status, durationMs: 0, mirrored: false });
}
