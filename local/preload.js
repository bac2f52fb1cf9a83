import { tracingChannel } from 'node:diagnostics_channel';

/**
 * Preloaded into every process that we start: its standard input is a pipe that closes when we are gone, also when we
 * were killed. Without it, services would go on running with nobody to stop them.
 * It is JavaScript so that what was built runs without Node's stripper of types.
 */
process.stdin.on('end', () => process.kill(process.pid, 'SIGTERM')).resume();
// A service that has ended everything else does not wait for us.
if ('unref' in process.stdin) process.stdin.unref();

/** Tells where the process listens, whatever its log says. */
tracingChannel('net.server.listen').asyncEnd.subscribe((message) => {
  const { server } = /** @type {{ server: import('node:net').Server }} */ (message);
  process.send?.({ port: /** @type {import('node:net').AddressInfo} */ (server.address()).port });
});
