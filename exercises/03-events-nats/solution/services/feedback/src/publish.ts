import { STREAM, SUBJECT, workWithBroker } from '@bookinfo/broker';
import type { App } from '@bookinfo/chassis';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import type { Config } from './config.ts';
import type { Events } from './events.ts';

/**
 * Tells the broker what has happened, in order. Killed before it could note that the broker has an event, it publishes it again;
 * by its id the broker knows it, and keeps one.
 */
export function publish(app: App, config: Config, events: Events): void {
  workWithBroker(app, config, async (connection, closing) => {
    const manager = await jetstreamManager(connection);
    await manager.streams.add({ name: STREAM, subjects: [SUBJECT] });
    const stream = jetstream(connection);
    while (!closing.aborted) {
      for (const event of await events.after(events.published(), closing)) {
        await stream.publish(SUBJECT, JSON.stringify(event), { msgID: String(event.seq) });
        events.setPublished(event.seq);
      }
    }
  });
}
