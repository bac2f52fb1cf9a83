/** What Bookinfo's programs do with a request that reaches them: whom they ask in turn, how long they wait, what they say. */
import { followed, later, type Outcome, outcome, within } from './outcomes.ts';
import { type Message, pathOf } from './rules.ts';
import type { Workload } from './world.ts';

/** Sends a request on behalf of a workload; what happens to it is part of the explanation. */
export type Send = (call: Call) => Outcome[];
export interface Call extends Message {
  /** How the program asks: `, waits 3 s, tries twice`. */
  how: string;
}

const PAGE_TIMEOUT = 3;
const REVIEWS_TRIES = 2;
const GOOGLE_BOOKS_TIMEOUT = 5;
const RATINGS_TIMEOUT = { black: 10, other: 2.5 };
const FAULTY_SHARE = 0.5;
const DELAY = 7;

/** Of an incoming request, on every one made for it; trace headers route nothing here. */
const PASSED_ON = ['x-request-id', 'end-user', 'user-agent', 'cookie', 'authorization', 'jwt'];

export interface Incoming {
  workload: Workload;
  message: Message;
  /** Who is signed in at the product page; an `end-user` header from outside means nothing to it. */
  user: string | undefined;
}

/** The program's answer; `unknown` from a workload that is none of Bookinfo's. */
export function answer(incoming: Incoming, send: Send): Outcome[] {
  const { workload, message } = incoming;
  const program = PROGRAMS[workload.labels.app ?? ''];
  if (!program) return [said(workload, 'unknown', { reason: 'what this program answers is not known' })];
  if (/^\/(health(\/live|\/ready)?|metrics)$/.test(pathOf(message)))
    return [said(workload, ['GET', 'HEAD'].includes(message.method) ? 200 : 405)];
  return program(incoming, send);
}

const said = (workload: Workload, status: Outcome['status'], more: Partial<Outcome> = {}): Outcome =>
  outcome(status, workload.name, { ...(workload.labels.version && { version: workload.labels.version }), ...more });

/** Status of a path that some methods may use; undefined when this is one of them. */
const notAllowed = (message: Message, ...methods: string[]): number | undefined =>
  message.method === 'OPTIONS' ? 200 : [...methods, 'HEAD'].includes(message.method) ? undefined : 405;

interface Question {
  /** A service of the shop. */
  of: string;
  id: string;
  /** For one try. */
  seconds: number;
  tries?: number;
}

/** What comes of a program's question to a service of the shop, after so many tries as it makes. */
function ask({ workload, message, user }: Incoming, send: Send, { of, id, seconds, tries = 1 }: Question): Outcome[] {
  const { env } = workload;
  const domain = env.SERVICES_DOMAIN ? `.${env.SERVICES_DOMAIN}` : '';
  const passedOn = Object.fromEntries(Object.entries(message.headers).filter(([name]) => PASSED_ON.includes(name)));
  const isPage = workload.labels.app === 'productpage';
  const { 'end-user': _, ...others } = passedOn;
  const answers = send({
    method: 'GET',
    host: (env[`${of.toUpperCase()}_HOSTNAME`] ?? of) + domain,
    port: Number(env[`${of.toUpperCase()}_SERVICE_PORT`] ?? 9080),
    path: `/${of}/${id}`,
    headers: isPage ? { ...others, ...(user && { 'end-user': user }) } : passedOn,
    how: `, waits ${seconds} s${tries > 1 ? `, tries ${tries} times` : ''}`,
  });
  const timedOut = outcome('none', workload.name, { reason: `no answer within ${seconds} s` });
  const once = within(answers, seconds, timedOut);
  const again = (left: number): Outcome[] =>
    followed(once, (it) =>
      it.status === 200 || it.status === 'unknown' || left === 0 ? [it] : later(again(left - 1), it.seconds),
    );
  return again(tries - 1);
}

const PROGRAMS: Record<string, (incoming: Incoming, send: Send) => Outcome[]> = {
  productpage(incoming, send) {
    const { workload, message } = incoming;
    const path = pathOf(message);
    const [, id, what] = /^\/api\/v1\/products\/([^/]+)(?:\/(reviews|ratings))?$/.exec(path) ?? [];
    const post = path === '/login';
    const known = ['/', '/index.html', '/productpage', '/logout', '/api/v1/products'].includes(path);
    if (!known && !post && id === undefined && !path.startsWith('/static/')) return [said(workload, 404)];
    const refusal = post ? notAllowed(message, 'POST') : notAllowed(message, 'GET');
    if (refusal) return [said(workload, refusal)];
    if (post || path === '/logout') return [said(workload, 302)];
    if (id !== undefined && !/^\d{1,15}$/.test(id)) return [said(workload, 400)];
    const reviewed = (product: string): Question => ({
      of: 'reviews',
      id: product,
      seconds: PAGE_TIMEOUT,
      tries: REVIEWS_TRIES,
    });
    if (id !== undefined) {
      const question = what === 'reviews' ? reviewed(id) : { of: what ?? 'details', id, seconds: PAGE_TIMEOUT };
      return followed(ask(incoming, send, question), ({ status, seconds, shows }) => [
        said(workload, status === 'none' ? 500 : status, { seconds, shows }),
      ]);
    }
    if (path !== '/productpage') return [said(workload, 200)];
    const details = ask(incoming, send, { of: 'details', id: '0', seconds: PAGE_TIMEOUT });
    const reviews = ask(incoming, send, reviewed('0'));
    return followed(details, (book) =>
      followed(reviews, (review) => [
        said(workload, 200, {
          seconds: Math.max(book.seconds, review.seconds),
          shows: [
            shown(book, 'Book Details', 'Error fetching product details'),
            shown(review, `Reviews served by: ${review.by}`, 'Error fetching product reviews'),
            ...(review.status === 200 ? review.shows : []),
          ],
        }),
      ]),
    );
  },

  details(incoming, send) {
    const { workload, message } = incoming;
    const id = /^\/details\/([^/]+)$/.exec(pathOf(message))?.[1];
    if (id === undefined) return [said(workload, 404)];
    const refusal = notAllowed(message, 'GET') ?? (/^\d+$/.test(id) ? undefined : 400);
    if (refusal) return [said(workload, refusal)];
    if (workload.env.ENABLE_EXTERNAL_BOOK_SERVICE !== 'true') return [said(workload, 200)];
    const plain = workload.env.DO_NOT_ENCRYPT === 'true';
    const host = 'www.googleapis.com';
    const how = `, waits ${GOOGLE_BOOKS_TIMEOUT} s`;
    const books = send({ method: 'GET', host, port: plain ? 80 : 443, path: '/books/v1/volumes', headers: {}, how });
    const timedOut = outcome('none', host, { reason: `no answer within ${GOOGLE_BOOKS_TIMEOUT} s` });
    return followed(within(books, GOOGLE_BOOKS_TIMEOUT, timedOut), ({ status, seconds }) => [
      said(workload, status === 'unknown' ? 'unknown' : status === 200 ? 200 : 502, {
        seconds,
        reason: `details v2 asks ${host}`,
      }),
    ]);
  },

  reviews(incoming, send) {
    const { workload, message } = incoming;
    const id = /^\/reviews\/(\d+)$/.exec(pathOf(message))?.[1];
    if (id === undefined) return [said(workload, 404)];
    const refusal = notAllowed(message, 'GET');
    if (refusal) return [said(workload, refusal)];
    const { ENABLE_RATINGS, STAR_COLOR: colour = 'black' } = workload.env;
    if (ENABLE_RATINGS !== 'true') return [said(workload, 200, { shows: ['no stars'] })];
    const timeout = RATINGS_TIMEOUT[colour === 'black' ? 'black' : 'other'];
    return followed(ask(incoming, send, { of: 'ratings', id, seconds: timeout }), (ratings) => [
      said(workload, 200, {
        seconds: ratings.seconds,
        shows: [shown(ratings, `${colour} stars`, 'Ratings service is currently unavailable')],
      }),
    ]);
  },

  ratings({ workload, message }) {
    const id = /^\/ratings\/([^/]+)$/.exec(pathOf(message))?.[1];
    if (id === undefined) return [said(workload, 404)];
    const refusal = notAllowed(message, 'GET', 'POST') ?? (/^\d+$/.test(id) ? undefined : 400);
    if (refusal) return [said(workload, refusal)];
    const stored = 'DB_TYPE' in workload.env || 'MONGO_DB_URL' in workload.env;
    if (message.method === 'POST' && stored) return [said(workload, 501)];
    const fine = said(workload, 200, stored ? { reason: 'if its database answers' } : {});
    const half = (other: Outcome) => [
      { ...fine, probability: 1 - FAULTY_SHARE },
      { ...other, probability: FAULTY_SHARE },
    ];
    switch (workload.env.SERVICE_VERSION) {
      case 'v-faulty':
        return half(said(workload, 503, { reason: 'v-faulty fails half of the requests' }));
      case 'v-delayed':
        return half({ ...fine, seconds: DELAY, reason: 'v-delayed lets half of them wait' });
      case 'v-unavailable':
      case 'v-unhealthy':
        return half(said(workload, 503, { reason: `${workload.env.SERVICE_VERSION} is down half of the time` }));
      default:
        return [fine];
    }
  },
};

const shown = ({ status }: Outcome, good: string, bad: string): string =>
  status === 200 ? good : status === 'unknown' ? `${good}, or ${bad}` : bad;
