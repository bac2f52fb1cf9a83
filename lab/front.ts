import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

export interface Front {
  port: number;
  /** Puts one more process behind the name. */
  add(port: number): void;
  close(): void;
}

/**
 * Plays a Kubernetes Service on loopback: one port, behind it the processes of all versions in turn. As kube-proxy
 * does, it chooses per connection, not per request.
 */
export async function openFront(port: number): Promise<Front> {
  const targets: number[] = [];
  const sockets = new Set<Socket>();
  let turn = 0;

  const server = createServer((client) => {
    const target = targets[turn++ % targets.length];
    if (target === undefined) return client.destroy();
    const upstream = connect({ port: target, host: '127.0.0.1', noDelay: true });
    client.setNoDelay(true);
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(from);
      from.pipe(to);
      from.on('error', () => to.destroy());
      from.on('close', () => {
        sockets.delete(from);
        to.destroy();
      });
    }
    return undefined;
  });

  await listen(server, port);
  return {
    port: (server.address() as AddressInfo).port,
    add: (target) => targets.push(target),
    close: () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

function listen(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
}
