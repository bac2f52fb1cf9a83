/**
 * Takes the place of ratings in a pod: does to calls what it was told, and remembers when each came and ended. Runs there as
 * text, so it imports nothing but Node.
 */
import { createServer } from 'node:http';
import { json } from 'node:stream/consumers';

/** What becomes of so many of the calls (by default of all), and how long the others take. */
export interface Told {
  status?: number;
  delayMs?: number;
  share?: number;
  othersMs?: number;
}

let told: Told = {};
/** Times as of `Date.now()`, which all pods of a machine share; without an end while it is under way. */
let calls: { start: number; end?: number }[] = [];

createServer(async (request, response) => {
  const answer = (status: number, body: unknown) =>
    response
      .writeHead(status, { 'content-type': 'application/json', 'x-service-version': 'v1' })
      .end(JSON.stringify(body));
  if (request.url?.startsWith('/health')) return answer(200, {});
  if (request.url === '/calls') return answer(200, calls);
  if (request.method === 'PUT') {
    told = (await json(request)) as Told;
    calls = [];
    return answer(200, {});
  }
  const call: (typeof calls)[number] = { start: Date.now() };
  const number = calls.push(call);
  response.on('close', () => {
    call.end = Date.now();
  });
  // Of a half the first, the third and so on: by count, so that a single call tells as much as a hundred.
  const { share = 1, status = 200, delayMs = 0, othersMs = 0 } = told;
  const isMeant = Math.ceil(number * share) > Math.ceil((number - 1) * share);
  const ratings = { id: 0, ratings: { Reviewer1: 5, Reviewer2: 4 } };
  setTimeout(() => answer(isMeant ? status : 200, ratings), isMeant ? delayMs : othersMs);
  return undefined;
}).listen(9080);
