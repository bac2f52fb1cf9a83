/** What exercises on the events of feedback ask of it. */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { hold } from '../check/exercise.ts';
import { askUntilAnswered, type Services } from '../check/services.ts';
import { dice } from '../check/shop.ts';

export const FEEDBACK = 'services/feedback/src';
export const READERS = ['Reviewer1', 'Reviewer2', 'Reviewer3', 'Reviewer4'];
/** Of no question: its events tell that the feed has been read to its end. */
const MARKED = 999;

export interface Opinion {
  stars: number;
  text: string;
}
export interface Event {
  seq: number;
  at: string;
  type: string;
  productId: number;
  reviewer: string;
  opinion?: Opinion;
}
export type Opinions = Record<string, Opinion>;

/** Asks for a change until it is answered: asked twice, it happens once. @returns the trace of the request that was answered */
export async function change(
  services: Services,
  productId: number,
  reviewer: string,
  opinion?: Opinion,
): Promise<string> {
  const path = `/feedback/${productId}/${reviewer}`;
  const asked = opinion ? { method: 'PUT', json: opinion } : { method: 'DELETE' };
  const answer = await askUntilAnswered(services, 'feedback', path, asked);
  hold(answer.status === 200, {
    expected: `200 for ${asked.method} ${path}`,
    seen: `${answer.status} ${answer.text}`,
    look: FEEDBACK,
  });
  return answer.traceId;
}

export async function opinionsOf(services: Services, productId: number, asOf?: string): Promise<Opinions> {
  const answer = await askUntilAnswered(
    services,
    'feedback',
    `/feedback/${productId}${asOf ? `?asOf=${encodeURIComponent(asOf)}` : ''}`,
  );
  hold(answer.status === 200, {
    expected: `what readers think of product ${productId}${asOf ? ` at ${asOf}` : ''}`,
    seen: `${answer.status} ${answer.text}`,
    look: FEEDBACK,
  });
  return (answer.json() as { opinions: Opinions }).opinions;
}

/** All that is in the feed by now, page by page. */
export async function readFeed(services: Services): Promise<Event[]> {
  const marker = randomUUID();
  await change(services, MARKED, 'marker', { stars: 1, text: marker });
  const events: Event[] = [];
  while (!events.some(({ opinion }) => opinion?.text === marker)) {
    const next = (events.at(-1)?.seq ?? 0) + 1;
    const answer = await askUntilAnswered(services, 'feedback', `/events?after=${next - 1}`);
    const page = answer.status === 200 ? (answer.json() as { events: Event[] }).events : [];
    hold(page[0]?.seq === next, {
      expected: `GET /events?after=${next - 1} tells event ${next}, and those that follow`,
      seen: page[0] ? `event ${page[0].seq}` : `${answer.status} ${answer.text}`,
      cause: 'an event is missing, or the feed does not tell them in order',
      look: FEEDBACK,
    });
    events.push(...page);
  }
  return events;
}

export function fold(events: Event[], productId: number): Opinions {
  const opinions: Opinions = {};
  for (const { reviewer, opinion } of events.filter((it) => it.productId === productId)) {
    if (opinion) opinions[reviewer] = opinion;
    else delete opinions[reviewer];
  }
  return opinions;
}

/** Changes by `READERS`, each of whom waits for one answer before the next change. */
export async function manyChanges(services: Services, productId: number, count: number, seed: number): Promise<void> {
  await Promise.all(
    READERS.map(async (reader, i) => {
      const next = opinions(seed + i);
      for (let n = 0; n < count / READERS.length; n++) await change(services, productId, reader, next());
    }),
  );
}

/** The same while `work` is done, with a moment between the changes of a reader. */
export async function changesDuring(services: Services, productId: number, work: () => Promise<void>): Promise<void> {
  let over = false;
  const changes = READERS.map(async (reader, i) => {
    for (const next = opinions(i); !over; await sleep(50)) await change(services, productId, reader, next());
  });
  const working = work().finally(() => {
    over = true;
  });
  for (const outcome of await Promise.allSettled([...changes, working]))
    if (outcome.status === 'rejected') throw outcome.reason;
}

/** What a reader thinks next, no two times the same, or nothing any more. */
function opinions(seed: number): () => Opinion | undefined {
  const roll = dice(seed);
  let n = 0;
  return () => (roll() < 0.25 ? undefined : { stars: 1 + Math.floor(roll() * 5), text: `${n++}` });
}
