import type { FastifyInstance } from 'fastify';
import fp from 'fastify-plugin';

declare module 'fastify' {
  interface FastifyInstance {
    /** False from the first signal to stop: `/health/ready` says so while the listener still answers. */
    accepting: boolean;
  }
}

/** `/health/live` and `/health/ready`. The `/health` of the original Bookinfo differs per service and stays with it. */
export const health = fp(addHealth, { name: 'health', fastify: '5.x' });

async function addHealth(app: FastifyInstance) {
  app.decorate('accepting', true);
  app.get('/health/live', async () => ({ status: 'live' }));
  app.get('/health/ready', async (_request, reply) =>
    app.accepting ? { status: 'ready' } : reply.code(503).send({ status: 'shutting down' }),
  );
}
