import { answers, answersByteByByte, answersText, type Behaviour, closesHalfway, hangs, resets } from './stub.ts';

interface Failure {
  name: string;
  behaviour: Behaviour;
  /** What a caller is told instead: the backend's own status, else 500 without an answer, 502 for a useless one. */
  status: number;
}

/** How a backend may fail that would have answered `good`. */
export const failuresOf = (good: unknown): Failure[] => [
  { name: 'resets the connection', behaviour: resets, status: 500 },
  { name: 'hangs up in the middle of its answer', behaviour: closesHalfway(good), status: 500 },
  { name: 'answers 503', behaviour: answers({ error: 'down' }, 503), status: 503 },
  { name: 'answers 404', behaviour: answers({ error: 'unknown' }, 404), status: 404 },
  { name: 'answers 555, as an injected fault may', behaviour: answers({}, 555), status: 555 },
  { name: 'answers a status out of range', behaviour: answers({}, 777), status: 502 },
  { name: 'redirects', behaviour: answers({}, 302, { location: 'http://127.0.0.1:1/' }), status: 502 },
  { name: 'answers 204', behaviour: (response) => response.writeHead(204).end(), status: 502 },
  { name: 'answers HTML', behaviour: answersText('<h1>It works</h1>', 'text/html'), status: 502 },
  { name: 'answers broken JSON', behaviour: answersText('{"id":0,'), status: 502 },
  { name: 'answers an empty body', behaviour: answersText(''), status: 502 },
  { name: 'answers JSON of another shape', behaviour: answers({ id: {}, ratings: [] }), status: 502 },
  { name: 'answers 2 MB', behaviour: answers({ ...Object(good), padding: 'x'.repeat(2_000_000) }), status: 500 },
];

/** How a backend may keep its caller waiting for ever. */
export const stallsOf = (good: unknown): Failure[] => [
  { name: 'never answers', behaviour: hangs, status: 500 },
  { name: 'answers byte by byte, slowly', behaviour: answersByteByByte(good), status: 500 },
];
