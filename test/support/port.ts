import { once } from 'node:events';
import { createServer } from 'node:net';

/** Below the range that listening on port 0 gives out, so that no stub of another test takes it before the server does. */
export async function portOfItsOwn(): Promise<number> {
  const port = 10_000 + Math.floor(Math.random() * 20_000);
  const server = createServer().listen(port, '127.0.0.1');
  const free = await once(server, 'listening').then(
    () => true,
    () => false,
  );
  if (!free) return portOfItsOwn();
  server.close();
  await once(server, 'close');
  return port;
}
