import type { FastifyInstance } from 'fastify';
import fp from 'fastify-plugin';
import { Refusal } from './errors.ts';

const SAFE_METHODS = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE']);

/**
 * Refuses what a page of another site makes a visitor's browser send here to change something. Browsers say where a
 * request comes from, in `Sec-Fetch-Site` or at least in `Origin`; scripts send neither and go on working.
 * The same rules as those of Go's `net/http.CrossOriginProtection`, whose documentation gives the reasons.
 */
export const crossSite = fp(addCrossSite, { name: 'cross-site', fastify: '5.x' });

async function addCrossSite(app: FastifyInstance) {
  app.addHook('onRequest', ({ method, headers }, _reply, done) => {
    if (SAFE_METHODS.has(method)) return done();
    const { host, origin, 'sec-fetch-site': site } = headers;
    const isOwn = site ? site === 'same-origin' || site === 'none' : !origin || URL.parse(origin)?.host === host;
    done(isOwn ? undefined : new Refusal(403, 'This request comes from another site'));
  });
}
