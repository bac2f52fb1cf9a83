import type { IncomingMessage, ServerResponse } from 'node:http';
import type { FastifyInstance } from 'fastify';
import fp from 'fastify-plugin';
import { Refusal } from './errors.ts';
import { pathOf } from './path.ts';

/** A URL whose path the router can decode: the same one, or one that `wellFormed` tells by its being another. */
export function routable(url: string): string {
  if (!url.includes('%')) return url;
  try {
    decodeURIComponent(pathOf(url));
    return url;
  } catch {
    return url.replaceAll('%', '%25');
  }
}

/**
 * Refuses what HTTP does not allow and Node or the router would answer by themselves, in other shapes and without a
 * trace: a path that cannot be decoded, no `Host`, an `Expect` that nobody can meet.
 */
export const wellFormed = fp(addWellFormed, { name: 'well-formed', fastify: '5.x' });

async function addWellFormed(app: FastifyInstance) {
  app.server.on('checkExpectation', (request: IncomingMessage, response: ServerResponse) =>
    app.routing(request, response),
  );
  app.addHook('onRequest', ({ url, originalUrl, headers, raw }, reply, done) => {
    const problem =
      url !== originalUrl
        ? new Refusal(400, 'The path cannot be decoded')
        : headers.host === undefined && raw.httpVersion === '1.1'
          ? new Refusal(400, 'The header host is missing')
          : headers.expect !== undefined && headers.expect.toLowerCase() !== '100-continue'
            ? new Refusal(417, 'Nothing but 100-continue can be expected')
            : undefined;
    if (problem) reply.header('connection', 'close');
    done(problem);
  });
}
