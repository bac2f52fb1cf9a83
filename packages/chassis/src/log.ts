import { trace } from '@opentelemetry/api';
import type { FastifyLoggerOptions, PinoLoggerOptions } from 'fastify/types/logger.js';
import type { ChassisConfig } from './config.ts';
import type { LogDestination } from './log-destination.ts';
import { telemetry } from './telemetry.ts';

/** JSON lines, or something for people on a terminal. Never headers, never query strings. */
export async function loggerOptions(
  service: string,
  config: ChassisConfig,
  destination: LogDestination,
): Promise<FastifyLoggerOptions & PinoLoggerOptions> {
  return {
    level: config.LOG_LEVEL,
    base: { service, version: config.SERVICE_VERSION, pod: config.HOSTNAME },
    timestamp,
    formatters: { level: (label) => ({ level: label }) },
    ...(telemetry.enabled && { mixin: activeSpan }),
    stream: config.LOG_FORMAT === 'pretty' ? await prettyTo(destination) : destination,
  };
}

let millisecond = 0;
let time = '';

/** Many lines share a millisecond. */
function timestamp(): string {
  const now = Date.now();
  if (now !== millisecond) {
    millisecond = now;
    time = `,"time":"${new Date(now).toISOString()}"`;
  }
  return time;
}

function activeSpan(): object {
  const span = trace.getActiveSpan()?.spanContext();
  if (!span) return {};
  return { trace_id: span.traceId, span_id: span.spanId, trace_flags: `0${span.traceFlags.toString(16)}` };
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
