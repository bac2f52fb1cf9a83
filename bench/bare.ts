/**
 * What is measured against: the four services on nothing but node:http, with the same requests between them and answers
 * of the same length, and without all that makes a service: no logs, no metrics, no checks, no deadlines.
 * `node bench/bare.ts SERVICE`, with PORT and the ports of the others in the environment.
 */
import { randomUUID } from 'node:crypto';
import { Agent, createServer, get } from 'node:http';
import { text } from 'node:stream/consumers';
import { staticBook } from '../services/details/src/static-book.ts';
import { REVIEWS } from '../services/reviews/src/static-reviews.ts';

const { env } = process;
const agent = new Agent({ keepAlive: true, maxSockets: 128 });

const ANSWERS: Record<string, () => Promise<string>> = {
  details: async () => JSON.stringify(staticBook(0)),
  ratings: async () => JSON.stringify({ id: 0, ratings: { Reviewer1: 5, Reviewer2: 4 } }),
  reviews: async () => {
    const { ratings } = JSON.parse(await ask(env.RATINGS_SERVICE_PORT, '/ratings/0'));
    const reviews = REVIEWS.map((review) => ({ ...review, rating: { stars: ratings[review.reviewer], color: 'red' } }));
    return JSON.stringify({ id: '0', podname: 'reviews-v3', clustername: 'null', reviews });
  },
  productpage: async () => {
    const answers = await Promise.all([
      ask(env.DETAILS_SERVICE_PORT, '/details/0'),
      ask(env.REVIEWS_SERVICE_PORT, '/reviews/0'),
    ]);
    const page = answers.map((answer) => JSON.stringify(JSON.parse(answer))).join('');
    return page.padEnd(Number(env.PAGE_BYTES));
  },
};

async function ask(port: string | undefined, path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    get({ agent, port, path, host: '127.0.0.1' }, (response) => resolve(text(response))).on('error', reject);
  });
}

const answer = ANSWERS[process.argv[2] ?? ''];
if (!answer) throw new Error(`one of ${Object.keys(ANSWERS).join(', ')} expected`);
createServer(async (_request, response) => {
  const body = await answer();
  response.writeHead(200, {
    'content-type': 'application/json; charset=utf-8',
    'content-length': Buffer.byteLength(body),
    'x-request-id': randomUUID(),
    'x-service-version': 'v1',
    'x-pod-name': 'bare',
  });
  response.end(body);
}).listen(Number(env.PORT), '127.0.0.1', () => console.log('listening'));
process.once('SIGTERM', () => process.exit(0));
