import { setTimeout as sleep } from 'node:timers/promises';
import { type App, text } from '@bookinfo/chassis';
import { connect, type NatsConnection } from '@nats-io/transport-node';

/** Of milliseconds: the broker counts in nanoseconds. */
export { nanos } from '@nats-io/transport-node';

/** Until what failed is tried again. */
const PAUSE_MS = 500;

/** Where the events of feedback are kept, and what they are published as. */
export const STREAM = 'feedback';
export const SUBJECT = 'feedback.events';

export const brokerSpecs = {
  NATS_URL: text((input) => /^nats:\/\/[\w.:[\]-]+$/.test(input))({
    default: 'nats://localhost:4222',
    desc: 'a NATS server such as nats://localhost:4222',
  }),
};

/**
 * Works with the broker as long as the service runs. Work that ends or fails, as it does when the connection is lost, is begun
 * anew with a connection of its own; when the service closes, `closing` is aborted and the connection closed.
 */
export function workWithBroker(
  app: App,
  { NATS_URL: servers }: { NATS_URL: string },
  work: (connection: NatsConnection, closing: AbortSignal) => Promise<void>,
): void {
  const closing = new AbortController();
  const { signal } = closing;
  let working = Promise.resolve();
  app.addHook('preClose', async () => closing.abort());
  // What is opened later is closed earlier: what `work` needs is still open.
  app.addHook('onClose', async () => working);

  async function attempt(): Promise<void> {
    const connection = await connect({ servers, reconnect: false });
    const close = () => void connection.close();
    signal.addEventListener('abort', close);
    try {
      signal.throwIfAborted();
      await work(connection, signal);
    } finally {
      signal.removeEventListener('abort', close);
      await connection.close();
    }
  }

  async function keepAttempting(): Promise<void> {
    while (!signal.aborted) {
      await attempt().catch((error: unknown) => {
        if (!signal.aborted) app.log.warn(`broker: ${error instanceof Error ? error.message : error}`);
      });
      await sleep(PAUSE_MS, undefined, { signal }).catch(() => {});
    }
  }
  app.addHook('onListen', async () => {
    working = keepAttempting();
  });
}
