import { setTimeout as sleep } from 'node:timers/promises';
import closeWithGrace from 'close-with-grace';
import type { App } from './app.ts';
import { type ChassisConfig, ConfigError } from './config.ts';
import { telemetry } from './telemetry.ts';

/** For a reader that is slow; one that has stopped is not waited for any longer. */
const LOG_FLUSH_TIMEOUT_MS = 1000;

/**
 * Runs a service until a signal stops it: readiness off → connections drained → listener closed and requests in flight
 * answered → telemetry and log flushed → exit 0. A second signal exits at once. A wrong environment or a port in use is one
 * line on stderr and exit 1.
 */
export async function serve<C extends ChassisConfig>(
  readConfig: (env: NodeJS.ProcessEnv) => C,
  buildApp: (config: C) => Promise<App>,
): Promise<void> {
  const { app, config } = await orExit(async () => {
    const config = readConfig(process.env);
    return { config, app: await buildApp(config) };
  });
  process.once('exit', app.logDestination.flushSync);
  telemetry.onExportFailure(({ message }) =>
    app.log.warn(`telemetry cannot be exported, requests are not affected: ${message}`),
  );

  const { SHUTDOWN_DELAY_SECONDS: delay, SHUTDOWN_TIMEOUT_SECONDS: timeout } = config;
  closeWithGrace({ delay: (delay + timeout) * 1000, logger: app.log }, async ({ signal, err }) => {
    if (err) app.log.fatal({ err }, 'unexpected error, shutting down');
    else app.log.info(`${signal}: shutting down`);
    app.accepting = false;
    await sleep(delay * 1000);
    await app.drain();
    await app.close();
    await telemetry.shutdown();
    await app.logDestination.flush(LOG_FLUSH_TIMEOUT_MS);
  });

  try {
    await listen(app, config);
  } catch (error) {
    fail(error instanceof Error ? error.message : String(error));
  }
}

/** On IPv4 alone where the node has no IPv6 at all. */
async function listen(app: App, { LISTEN_ADDRESS: host, PORT: port }: ChassisConfig): Promise<void> {
  try {
    await app.listen({ host, port });
  } catch (error) {
    const hasNoIPv6 = error instanceof Error && 'code' in error && error.code === 'EAFNOSUPPORT';
    if (!hasNoIPv6 || host !== '::') throw error;
    app.log.info('this host has no IPv6, listening on IPv4');
    await app.listen({ host: '0.0.0.0', port });
  }
}

async function orExit<T>(build: () => Promise<T>): Promise<T> {
  try {
    return await build();
  } catch (error) {
    if (error instanceof ConfigError) fail(error.message);
    throw error;
  }
}

function fail(message: string): never {
  process.stderr.write(`${message}\n`);
  process.exit(1);
}
