import { once } from 'node:events';
import { createServer } from 'node:net';

/**
 * A port of loopback on which nobody listens. It is below the range that listening on port 0 gives out, so that no
 * other process happens to take it before its user does.
 */
export async function freePort(): Promise<number> {
  const port = 10_000 + Math.floor(Math.random() * 20_000);
  const server = createServer().listen(port, '127.0.0.1');
  const free = await once(server, 'listening').then(
    () => true,
    () => false,
  );
  if (!free) return freePort();
  server.close();
  await once(server, 'close');
  return port;
}
