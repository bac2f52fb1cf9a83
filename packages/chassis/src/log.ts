import type { FastifyLoggerOptions, PinoLoggerOptions } from 'fastify/types/logger.js';
import type { ChassisConfig } from './config.ts';

/** JSON lines on stdout, or something for people on a terminal. Never headers, never query strings. */
export async function loggerOptions(
  service: string,
  config: ChassisConfig,
): Promise<FastifyLoggerOptions & PinoLoggerOptions> {
  return {
    level: config.LOG_LEVEL,
    base: { service, version: config.SERVICE_VERSION, pod: config.HOSTNAME },
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    formatters: { level: (label) => ({ level: label }) },
    ...(config.LOG_FORMAT === 'pretty' && { stream: await prettyStream() }),
  };
}

async function prettyStream() {
  const { default: pretty } = await import('pino-pretty');
  return pretty({ ignore: 'service,version,pod,method,path,route,status', singleLine: true });
}
