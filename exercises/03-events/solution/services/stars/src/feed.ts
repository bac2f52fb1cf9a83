import { setTimeout as sleep } from 'node:timers/promises';
import { type App, type Caller, connectBackend, NOBODY, onBehalfOf } from '@bookinfo/chassis';
import { Feed, type FeedbackEvent } from '@bookinfo/contract';
import type { Config } from './config.ts';

/** Longer than the feed keeps us waiting. */
const TIMEOUT_MS = 15_000;
/** Until what failed is tried again. */
const PAUSE_MS = 500;

export interface Follower {
  /** The last event that is done with; 0 before the first. */
  done(): number;
  /** Returns whether it is done. One that is not comes again, and none comes before it is. */
  work(event: FeedbackEvent, caller: Caller): Promise<boolean>;
  /** Told with each page of the feed: the newest event that there is. */
  onNewest?(seq: number): void;
}

/** Follows the feed of feedback as long as the service runs: one event after the other, from the first that is not done with. */
export function followFeed(app: App, config: Config, { done, work, onNewest }: Follower): void {
  const closing = new AbortController();
  let following = Promise.resolve();
  app.addHook('preClose', async () => closing.abort());
  // What is opened later is closed earlier: the feed does not answer any more, and what `work` needs is still open.
  app.addHook('onClose', async () => following);
  const feed = connectBackend(app, config, 'FEEDBACK', {
    route: '/events?after={seq}',
    schema: Feed,
    timeoutMs: TIMEOUT_MS,
  });

  /** Takes the next page, as far as it gets. */
  async function step(): Promise<boolean> {
    const page = await onBehalfOf(NOBODY, app.log, (caller) => feed.get({ seq: done() }, caller));
    if (!page.ok) return false;
    onNewest?.(page.body.newest);
    for (const event of page.body.events) {
      if (!(await onBehalfOf(event.origin, app.log, (caller) => work(event, caller)))) return false;
    }
    return true;
  }

  async function follow(): Promise<void> {
    while (!closing.signal.aborted) {
      if (!(await step())) await sleep(PAUSE_MS, undefined, { signal: closing.signal }).catch(() => {});
    }
  }
  app.addHook('onListen', async () => {
    following = follow();
  });
}
