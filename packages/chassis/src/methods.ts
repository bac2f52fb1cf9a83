import { METHODS } from 'node:http';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import findMyWay from 'find-my-way';
import { pathOf } from './path.ts';

/**
 * For a path that exists, `OPTIONS` is 200 and a method it does not have is 405, both with `Allow`; everything else that
 * no route takes is 404. Fastify's router keeps a tree per method and cannot be asked, so one of the same kind remembers
 * all routes; it is looked into when no route was found.
 */
export const methods = fp(addMethods, { name: 'methods', fastify: '5.x' });

async function addMethods(app: FastifyInstance, { maxParamLength }: { maxParamLength: number }) {
  const known = findMyWay({ maxParamLength });

  app.addHook('onRoute', ({ method, url, config }) => {
    for (const m of [method].flat()) known.on(m as findMyWay.HTTPMethod, url, () => {}, config);
  });

  app.setNotFoundHandler((request: FastifyRequest, reply: FastifyReply) => {
    const path = pathOf(request.url);
    const allowed = METHODS.filter((method) => known.find(method as findMyWay.HTTPMethod, path));
    // A route that takes the method has sent the request here itself.
    if (allowed.length === 0 || allowed.includes(request.method)) {
      return reply.code(404).send({ error: 'Not found', requestId: request.id });
    }
    request.route = known.find(allowed[0] as findMyWay.HTTPMethod, path)?.store.openApiPath;
    reply.header('allow', [...allowed, 'OPTIONS'].join(', '));
    if (request.method === 'OPTIONS') return reply.code(200).send();
    return reply.code(405).send({ error: 'Method not allowed', requestId: request.id });
  });
}
