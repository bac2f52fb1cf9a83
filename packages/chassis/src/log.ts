import type { FastifyLoggerOptions, PinoLoggerOptions } from 'fastify/types/logger.js';
import type { ChassisConfig } from './config.ts';
import type { LogDestination } from './log-destination.ts';

/** JSON lines, or something for people on a terminal. Never headers, never query strings. */
export async function loggerOptions(
  service: string,
  config: ChassisConfig,
  destination: LogDestination,
): Promise<FastifyLoggerOptions & PinoLoggerOptions> {
  return {
    level: config.LOG_LEVEL,
    base: { service, version: config.SERVICE_VERSION, pod: config.HOSTNAME },
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    formatters: { level: (label) => ({ level: label }) },
    stream: config.LOG_FORMAT === 'pretty' ? await prettyTo(destination) : destination,
  };
}

async function prettyTo(destination: LogDestination) {
  const { isColorSupported, prettyFactory } = await import('pino-pretty');
  const prettify = prettyFactory({
    colorize: isColorSupported,
    ignore: 'service,version,pod,method,path,route,status',
    singleLine: true,
  });
  return { write: (line: string) => destination.write(prettify(line)), flushSync: destination.flushSync };
}
