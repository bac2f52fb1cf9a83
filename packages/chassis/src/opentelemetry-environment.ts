import { existsSync } from 'node:fs';
import { str, type ValidatorSpec } from 'envalid';
import { httpUrl, integer, readEnvironment, text } from './config.ts';

type Env = NodeJS.ProcessEnv;

/**
 * Checks the variables of https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/ and what the
 * SDK for Node.js adds to them. It would pass over in silence what it does not understand: cut the mesh's trace, lose
 * attributes, or export to somewhere else.
 * @throws {ConfigError} when a value is not allowed
 */
export function checkOpenTelemetryEnvironment(env: Env): void {
  readEnvironment(env, { ...SPECS, ...otlpSpecs(env) });
}

const absent = { default: undefined };
const count = integer(0)({ ...absent, desc: 'a whole number, 0 or more' });
const positive = integer(1)({ ...absent, desc: 'a whole number, 1 or more' });
const milliseconds = integer(1)({ ...absent, desc: 'a whole number of milliseconds, 1 or more' });
const bool = text((input) => /^(true|false)$/i.test(input))({ ...absent, desc: 'true or false' });
const url = httpUrl({ ...absent, desc: 'an http or https URL such as http://collector:4318' });
const file = text(existsSync)({ ...absent, desc: 'the name of a file that is there' });
const oneOf = (...choices: string[]) => str({ ...absent, choices });
const unread = text(() => false)({ ...absent, desc: 'no value, as the SDK for Node.js does not read it' });

export const itemsOf = (list = ''): string[] =>
  list
    .split(',')
    .map((item) => item.trim())
    .filter(Boolean);

/** `none` stands alone. */
const listOf = (...names: string[]) =>
  text((input) => {
    const items = itemsOf(input);
    return items.every((item) => names.includes(item)) && (items.length === 1 || !items.includes('none'));
  })({ ...absent, desc: `a list of ${names.join(', ')}` });

/** `desc` says what a pair is besides. */
const pairs = (pattern: RegExp, maxLength: number, desc: string) =>
  text((input) =>
    itemsOf(input).every((pair) => {
      if (!pattern.test(pair)) return false;
      try {
        return pair.split('=').every((part) => decodeURIComponent(part.trim()).length <= maxLength);
      } catch {
        return false;
      }
    }),
  )({ ...absent, desc: `a list of name=value${desc}` });

const SPECS = {
  OTEL_LOG_LEVEL: text((input) => /^(none|error|warn|info|debug|verbose|all)$/i.test(input))({
    ...absent,
    desc: 'one of none, error, warn, info, debug, verbose, all',
  }),
  OTEL_SDK_DISABLED: bool,
  OTEL_RESOURCE_ATTRIBUTES: pairs(
    /^[^=]+=[^=]*$/,
    255,
    ', each at most 255 characters, where , = and % are written as %2C %3D %25',
  ),
  OTEL_PROPAGATORS: listOf('tracecontext', 'baggage', 'b3', 'b3multi', 'none'),
  OTEL_TRACES_SAMPLER: oneOf(
    'always_on',
    'always_off',
    'traceidratio',
    'parentbased_always_on',
    'parentbased_always_off',
    'parentbased_traceidratio',
  ),
  OTEL_TRACES_SAMPLER_ARG: text((input) => Number(input) >= 0 && Number(input) <= 1)({
    ...absent,
    desc: 'a number from 0 to 1',
  }),

  OTEL_TRACES_EXPORTER: listOf('otlp', 'console', 'zipkin', 'none'),
  OTEL_METRICS_EXPORTER: listOf('otlp', 'console', 'prometheus', 'none'),
  OTEL_LOGS_EXPORTER: listOf('otlp', 'console', 'none'),
  OTEL_EXPORTER_ZIPKIN_ENDPOINT: url,
  OTEL_EXPORTER_ZIPKIN_TIMEOUT: unread,
  OTEL_EXPORTER_PROMETHEUS_PORT: integer(0, 65535)({ ...absent, desc: 'a TCP port, 0 (any free one) to 65535' }),

  OTEL_BSP_SCHEDULE_DELAY: milliseconds,
  OTEL_BSP_EXPORT_TIMEOUT: milliseconds,
  OTEL_BSP_MAX_QUEUE_SIZE: positive,
  OTEL_BSP_MAX_EXPORT_BATCH_SIZE: positive,
  OTEL_BLRP_SCHEDULE_DELAY: milliseconds,
  OTEL_BLRP_EXPORT_TIMEOUT: milliseconds,
  OTEL_BLRP_MAX_QUEUE_SIZE: positive,
  OTEL_BLRP_MAX_EXPORT_BATCH_SIZE: positive,
  OTEL_METRIC_EXPORT_INTERVAL: milliseconds,
  OTEL_METRIC_EXPORT_TIMEOUT: milliseconds,
  OTEL_METRICS_EXEMPLAR_FILTER: unread,
  OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE: text((input) => /^(cumulative|delta|lowmemory)$/i.test(input))({
    ...absent,
    desc: 'one of cumulative, delta, lowmemory',
  }),
  OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION: unread,

  OTEL_ATTRIBUTE_COUNT_LIMIT: count,
  OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT: count,
  OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT: count,
  OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT: count,
  OTEL_SPAN_EVENT_COUNT_LIMIT: count,
  OTEL_SPAN_LINK_COUNT_LIMIT: count,
  OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT: count,
  OTEL_LINK_ATTRIBUTE_COUNT_LIMIT: count,
  OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT: positive,
  OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT: positive,

  OTEL_CONFIG_FILE: unread,
  OTEL_NODE_RESOURCE_DETECTORS: listOf('env', 'host', 'os', 'process', 'serviceinstance', 'all', 'none'),
  OTEL_NODE_EXPERIMENTAL_SDK_METRICS: bool,
};

/** For all signals, and for each. */
function otlpSpecs(env: Env): Record<string, ValidatorSpec<unknown>> {
  return Object.fromEntries(
    ['', 'TRACES_', 'METRICS_', 'LOGS_'].flatMap((signal) => {
      const prefix = `OTEL_EXPORTER_OTLP_${signal}`;
      const protocol = env[`${prefix}PROTOCOL`] || env.OTEL_EXPORTER_OTLP_PROTOCOL;
      const address = text((input) => /^(https?:\/\/)?[^/]+$/.test(input))({
        ...absent,
        desc: 'host:port or an http or https URL without a path, such as http://collector:4317',
      });
      return Object.entries({
        ENDPOINT: protocol === 'grpc' ? address : url,
        PROTOCOL: oneOf('http/protobuf', 'http/json', 'grpc'),
        HEADERS: pairs(/^[^=]+=/, Number.POSITIVE_INFINITY, ', where , and % are written as %2C and %25'),
        TIMEOUT: milliseconds,
        COMPRESSION: oneOf('gzip', 'none'),
        INSECURE: bool,
        CERTIFICATE: file,
        CLIENT_CERTIFICATE: file,
        CLIENT_KEY: file,
      }).map(([name, spec]) => [`${prefix}${name}`, spec]);
    }),
  );
}
