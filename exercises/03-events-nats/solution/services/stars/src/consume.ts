import { nanos, STREAM, workWithBroker } from '@bookinfo/broker';
import { type App, type Caller, onBehalfOf } from '@bookinfo/chassis';
import type { FeedbackEvent } from '@bookinfo/contract';
import { AckPolicy, DeliverPolicy, jetstream, jetstreamManager } from '@nats-io/jetstream';
import type { Config } from './config.ts';

/** After this long without a word of us, the broker takes a message for lost and delivers it again. */
const ACK_WAIT_MS = 5000;
/** Until what failed is delivered again. */
const PAUSE_MS = 500;

/**
 * Is told the events by the broker, one after the other, as long as the service runs.
 * @param name the same one goes on where it was, a new one begins with the first event
 * @param work returns whether an event is done. One that is not comes again, and none comes before it is.
 */
export function consumeEvents(
  app: App,
  config: Config,
  name: string,
  work: (event: FeedbackEvent, caller: Caller) => Promise<boolean>,
): void {
  workWithBroker(app, config, async (connection) => {
    const manager = await jetstreamManager(connection);
    await manager.consumers.add(STREAM, {
      durable_name: name,
      deliver_policy: DeliverPolicy.All,
      ack_policy: AckPolicy.Explicit,
      ack_wait: nanos(ACK_WAIT_MS),
      max_ack_pending: 1,
    });
    const consumer = await jetstream(connection).consumers.get(STREAM, name);
    for await (const message of await consumer.consume()) {
      const event = message.json<FeedbackEvent>();
      const done = await onBehalfOf(event.origin, app.log, (caller) => work(event, caller));
      if (done) message.ack();
      else message.nak(PAUSE_MS);
    }
  });
}
