import { tracingChannel } from 'node:diagnostics_channel';
import type { AddressInfo, Server } from 'node:net';

/**
 * Preloaded into every process that we start: its standard input is a pipe that closes when we are gone, also when we
 * were killed. Without it, services would go on running with nobody to stop them.
 */
process.stdin.on('end', () => process.kill(process.pid, 'SIGTERM')).resume();
// A service that has ended everything else does not wait for us.
if ('unref' in process.stdin) process.stdin.unref();

/** Tells where the process listens, whatever its log says. */
tracingChannel('net.server.listen').asyncEnd.subscribe((message) => {
  const { server } = message as { server: Server };
  process.send?.({ port: (server.address() as AddressInfo).port } satisfies Listening);
});

export interface Listening {
  port: number;
}
