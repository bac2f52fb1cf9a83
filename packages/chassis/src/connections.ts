import { AsyncResource } from 'node:async_hooks';
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import { Gauge } from 'prom-client';
import type { ChassisConfig } from './config.ts';
import { Refusal } from './errors.ts';
import { pathOf } from './path.ts';
import { PROBES } from './probes.ts';
import { finalStatusOf, isMirrored, record } from './request-context.ts';

declare module 'fastify' {
  interface FastifyInstance {
    /** Whether an answer is owed to the client at the other end. */
    isAnswering(socket: Socket): boolean;
    /** From now on every answer asks its client to close the connection. Resolves when all have, or had time to. */
    drain(): Promise<void>;
  }
  interface FastifyRequest {
    /** What is still to come of a request in progress: the end of our work, and that of the answer's way out. */
    unfinished: number;
  }
}

/** Connections of one process; a new one beyond is closed at once. */
const MAX_CONNECTIONS = 4096;
/**
 * Requests in progress on one connection. Node starts all that are pipelined, and keeps their answers until somebody
 * reads them. Browsers and proxies ask again when they have an answer.
 */
const MAX_PIPELINED = 16;
/** Requests in progress in one process: far more than one pod of another service asks at a time (128 connections). */
const MAX_IN_PROGRESS = 512;
/**
 * With so many in progress others have to wait, and each turn of the event loop begins one of them. Node accepts one new
 * connection a turn: while turns are short, whoever comes next gets a word in, such as a probe.
 */
const MANY_IN_PROGRESS = 32;
/** Requests that wait in one process. */
const MAX_WAITING = 1024;
/** Who has waited for so long is refused. */
const MAX_WAIT_MS = 1000;
/** When the oldest has waited for so long, not all can be answered in time: the newest goes first, some are answered soon. */
const LONG_WAIT_MS = 500;
/** A refusal costs a tenth of a page. */
const REFUSALS_PER_TURN = 4;
/** Longer than the 4 s for which a client of ours keeps a connection that it does not use. */
const DRAIN_MS = 5000;
/** After the life of a connection; a client at work learns meanwhile, by an answer, that it has to open another one. */
const IDLE_MS = 100;
/** How long a client may take to send one request to its end while we drain. */
const INCOMPLETE_MS = 2000;

/**
 * Follows every request from its first byte to the end of its answer: bounds what clients can make a process hold, records
 * each request when it is over, and loses none when the process has to stop.
 */
export const connections = fp(addConnections, {
  name: 'connections',
  fastify: '5.x',
  dependencies: ['request-context', 'metrics'],
  decorators: { fastify: ['observeRequest'], request: ['route'] },
});

interface Connection {
  requests: Set<IncomingMessage>;
  /** On the clock of `performance.now()`. */
  endsAt: number;
}

async function addConnections(app: FastifyInstance, { config }: { config: ChassisConfig }) {
  const { server } = app;
  const lifetimeMs = config.CONNECTION_LIFETIME_SECONDS * 1000 || Number.POSITIVE_INFINITY;
  const open = new Map<Socket, Connection>();
  const allClosed = Promise.withResolvers<void>();
  const waiting: { since: number; begin(isTooLate: boolean): void }[] = [];
  let inProgress = 0;
  let draining = false;

  server.maxConnections = MAX_CONNECTIONS;
  const follow = (socket: Socket): Connection => {
    const connection = { requests: new Set<IncomingMessage>(), endsAt: performance.now() + lifetimeMs };
    open.set(socket, connection);
    socket.once('close', () => {
      open.delete(socket);
      if (draining && open.size === 0) allClosed.resolve();
    });
    if (lifetimeMs < Number.POSITIVE_INFINITY) {
      const closeIdle = () => connection.requests.size === 0 && socket.destroySoon();
      setTimeout(closeIdle, lifetimeMs + IDLE_MS).unref();
    }
    return connection;
  };
  server.on('connection', follow);

  new Gauge({
    name: 'http_server_active_requests',
    help: 'Requests in progress, also those whose client has hung up; probes and requests that wait do not count.',
    registers: [app.metrics],
    collect() {
      this.set(inProgress);
    },
  });

  app.decorateRequest('unfinished', 0);
  const finish = (request: FastifyRequest) => {
    if (request.unfinished-- === 1) inProgress--;
  };

  const beginOne = () => {
    const now = performance.now();
    const hasWaited = (ms: number) => waiting[0] !== undefined && now - waiting[0].since > ms;
    for (let n = 0; n < REFUSALS_PER_TURN && hasWaited(MAX_WAIT_MS); n++) waiting.shift()?.begin(true);
    const next = hasWaited(LONG_WAIT_MS) ? waiting.pop() : waiting.shift();
    next?.begin(false);
    if (waiting.length > 0) setImmediate(beginOne);
  };

  app.addHook('onRequest', (request, reply, done) => {
    const { raw } = request;
    if (raw.socket.destroyed) {
      // Came in one packet with the request for which the connection was closed.
      reply.hijack();
      return;
    }
    const { requests } = open.get(raw.socket) ?? follow(raw.socket);
    if (requests.size === MAX_PIPELINED) {
      request.log.warn(`more than ${MAX_PIPELINED} requests at once on one connection: closed`);
      reply.hijack();
      raw.socket.destroy();
      return;
    }
    requests.add(raw);
    reply.raw.once('close', () => {
      requests.delete(raw);
      finish(request);
      const status = finalStatusOf(reply);
      const path = pathOf(request.originalUrl);
      record(app, request.log, {
        method: request.method,
        path,
        route: request.route,
        status,
        durationMs: reply.elapsedTime,
        mirrored: isMirrored(request.headers),
      });
    });

    const begin = () => {
      inProgress++;
      request.unfinished = 2;
      done();
    };
    const refuse = () => {
      reply.header('retry-after', '1');
      done(new Refusal(503, 'Too many requests in progress'));
    };
    if (PROBES.has(request.route)) return done();
    if (waiting.length === 0 && inProgress < MANY_IN_PROGRESS) return begin();
    if (waiting.length === MAX_WAITING) return refuse();
    waiting.push({
      since: performance.now(),
      // In its own span, not in that of the request which made others wait.
      begin: AsyncResource.bind((isTooLate) => {
        if (raw.socket.destroyed) reply.hijack();
        else if (isTooLate || inProgress >= MAX_IN_PROGRESS) refuse();
        else begin();
      }),
    });
    if (waiting.length === 1) setImmediate(beginOne);
  });

  app.addHook('onSend', (request, reply, _payload, done) => {
    finish(request);
    const endsAt = open.get(request.raw.socket)?.endsAt ?? 0;
    if (draining || performance.now() > endsAt) reply.header('connection', 'close');
    done();
  });

  app.decorate('isAnswering', (socket: Socket) => (open.get(socket)?.requests.size ?? 0) > 0);
  app.decorate('drain', async () => {
    draining = true;
    server.headersTimeout = INCOMPLETE_MS;
    server.requestTimeout = INCOMPLETE_MS;
    if (open.size > 0) await Promise.race([allClosed.promise, sleep(DRAIN_MS)]);
    for (const [socket, { requests }] of open) {
      const isAnswering = [...requests].some(({ complete }) => complete);
      if (!isAnswering) socket.destroy();
    }
  });
}
