/** A NATS server of the check's own, and a way to it that can lose what the server says. */
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { type AddressInfo, createServer, connect as dial, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { execa } from 'execa';
import { eventually } from '../check/exercise.ts';

export const STREAM = 'feedback';
const SUBJECT = 'feedback.events';

export interface Broker extends AsyncDisposable {
  /** By the way that can lose what the server says. */
  url: string;
  /** While it is true, what the server says is lost. */
  mute: boolean;
  /** How often something was published to `feedback.events`. */
  published: number;
  /** How many messages the stream `feedback` has, and the number of the event in the last one; undefined without that stream. */
  stream(): Promise<{ messages: number; newest?: number } | undefined>;
}

export async function openBroker(signal: AbortSignal): Promise<Broker> {
  await using stack = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), 'bookinfo-broker-'));
  stack.defer(() => rm(folder, { recursive: true, force: true }));
  const ports = ['--port', '-1', '--ports_file_dir', folder];
  const server = execa('nats-server', ['--jetstream', '--store_dir', folder, '--addr', '127.0.0.1', ...ports], {
    cancelSignal: signal,
    reject: false,
    stdio: 'ignore',
  });
  stack.defer(async () => {
    server.kill('SIGKILL');
    await server;
  });
  const port = await portIn(folder);
  const connection = await connect({ servers: `127.0.0.1:${port}` });
  stack.defer(() => connection.close());
  const manager = await jetstreamManager(connection);

  const sockets = new Set<Socket>();
  const way = createServer((client) => {
    const upstream = dial(port, '127.0.0.1');
    client.on('data', (chunk) => {
      broker.published += chunk.toString('latin1').split(`PUB ${SUBJECT} `).length - 1;
      upstream.write(chunk);
    });
    upstream.on('data', (chunk) => {
      if (!broker.mute) client.write(chunk);
    });
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => {
        sockets.delete(socket);
        client.destroy();
        upstream.destroy();
      });
    }
  });
  way.listen(0, '127.0.0.1');
  await once(way, 'listening');
  stack.defer(() => {
    way.close();
    for (const socket of sockets) socket.destroy();
  });

  const owned = stack.move();
  const broker: Broker = {
    url: `nats://127.0.0.1:${(way.address() as AddressInfo).port}`,
    mute: false,
    published: 0,
    async stream() {
      const info = await manager.streams.info(STREAM).catch(() => undefined);
      if (!info) return undefined;
      const { messages, last_seq: seq } = info.state;
      const last = messages > 0 ? await manager.streams.getMessage(STREAM, { seq }) : undefined;
      return { messages, ...(last && { newest: last.json<{ seq: number }>().seq }) };
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
  return broker;
}

/** The server writes down which port it was given. */
function portIn(folder: string): Promise<number> {
  return eventually(
    async () => {
      const file = (await readdir(folder)).find((name) => name.endsWith('.ports'));
      if (!file) return undefined;
      const { nats } = JSON.parse((await readFile(join(folder, file), 'utf8')) || '{}') as { nats?: string[] };
      return nats?.[0] ? Number(new URL(nats[0]).port) : undefined;
    },
    () => ({
      expected: 'nats-server starts',
      seen: 'it does not say where it listens',
      look: 'nats-server --jetstream',
    }),
    30_000,
  );
}
