import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

export interface KubeService extends AsyncDisposable {
  port: number;
  /** Puts one more process behind the name. */
  add(port: number): void;
  /** Takes one away, with its connections left as they are. */
  remove(port: number): void;
}

/**
 * Plays a Kubernetes Service on loopback: one port, behind it the processes of all versions in turn. As kube-proxy
 * does, it chooses per connection, not per request.
 * @throws {Error} with code EADDRINUSE when the port is taken
 */
export async function openKubeService(port = 0): Promise<KubeService> {
  let endpoints: number[] = [];
  const sockets = new Set<Socket>();
  let turn = 0;

  const server = createServer((client) => {
    if (endpoints.length === 0) return client.destroy();
    const endpoint = endpoints[turn++ % endpoints.length] as number;
    const upstream = connect({ port: endpoint, host: '127.0.0.1', noDelay: true });
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
    add: (endpoint) => endpoints.push(endpoint),
    remove: (endpoint) => {
      endpoints = endpoints.filter((it) => it !== endpoint);
    },
    async [Symbol.asyncDispose]() {
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
