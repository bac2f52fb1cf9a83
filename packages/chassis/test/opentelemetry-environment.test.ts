import { describe, expect, test } from 'vitest';
import { checkOpenTelemetryEnvironment } from '../src/opentelemetry-environment.ts';

const PROPAGATORS = 'a list of tracecontext, baggage, b3, b3multi, none';
const PAIRS = 'a list of name=value';
const MS = 'a whole number of milliseconds, 1 or more';

describe('what OpenTelemetry is told', () => {
  test.each([
    ['OTEL_SDK_DISABLED', 'maybe', 'true or false'],
    ['OTEL_LOG_LEVEL', 'loud', 'one of none, error, warn, info, debug, verbose, all'],
    ['OTEL_RESOURCE_ATTRIBUTES', 'team=blue,owner', PAIRS],
    ['OTEL_RESOURCE_ATTRIBUTES', 'a=b=c', PAIRS],
    ['OTEL_RESOURCE_ATTRIBUTES', '=b', PAIRS],
    ['OTEL_RESOURCE_ATTRIBUTES', 'a=%zz', PAIRS],
    ['OTEL_RESOURCE_ATTRIBUTES', `a=${'x'.repeat(256)}`, PAIRS],
    ['OTEL_PROPAGATORS', 'jaeger', PROPAGATORS],
    ['OTEL_PROPAGATORS', 'tracecontext,xray', PROPAGATORS],
    ['OTEL_PROPAGATORS', 'none,b3', PROPAGATORS],
    ['OTEL_TRACES_SAMPLER', 'jaeger_remote', 'one of always_on, always_off, traceidratio, parentbased_always_on'],
    ['OTEL_TRACES_SAMPLER_ARG', '2', 'a number from 0 to 1'],
    ['OTEL_TRACES_SAMPLER_ARG', '10%', 'a number from 0 to 1'],
    ['OTEL_TRACES_EXPORTER', 'jaeger', 'a list of otlp, console, zipkin, none'],
    ['OTEL_TRACES_EXPORTER', 'otlp,none', 'a list of otlp, console, zipkin, none'],
    ['OTEL_METRICS_EXPORTER', 'statsd', 'a list of otlp, console, prometheus, none'],
    ['OTEL_LOGS_EXPORTER', 'file', 'a list of otlp, console, none'],
    ['OTEL_EXPORTER_ZIPKIN_ENDPOINT', 'zipkin:9411', 'an http or https URL'],
    ['OTEL_EXPORTER_ZIPKIN_TIMEOUT', '10', 'no value, as the SDK for Node.js does not read it'],
    ['OTEL_EXPORTER_PROMETHEUS_PORT', 'metrics', 'a TCP port'],
    ['OTEL_BSP_SCHEDULE_DELAY', '5s', MS],
    ['OTEL_BSP_EXPORT_TIMEOUT', '0', MS],
    ['OTEL_BSP_MAX_QUEUE_SIZE', '-1', 'a whole number, 1 or more'],
    ['OTEL_BSP_MAX_EXPORT_BATCH_SIZE', 'many', 'a whole number, 1 or more'],
    ['OTEL_BLRP_SCHEDULE_DELAY', '5s', MS],
    ['OTEL_BLRP_EXPORT_TIMEOUT', '0', MS],
    ['OTEL_BLRP_MAX_QUEUE_SIZE', '-1', 'a whole number, 1 or more'],
    ['OTEL_BLRP_MAX_EXPORT_BATCH_SIZE', 'many', 'a whole number, 1 or more'],
    ['OTEL_METRIC_EXPORT_INTERVAL', '1m', MS],
    ['OTEL_METRIC_EXPORT_TIMEOUT', '1m', MS],
    ['OTEL_METRICS_EXEMPLAR_FILTER', 'always_on', 'no value'],
    ['OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE', 'sum', 'one of cumulative, delta, lowmemory'],
    ['OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION', 'explicit_bucket_histogram', 'no value'],
    ['OTEL_ATTRIBUTE_COUNT_LIMIT', 'few', 'a whole number, 0 or more'],
    ['OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT', '-5', 'a whole number, 0 or more'],
    ['OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT', '1.5', 'a whole number, 0 or more'],
    ['OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT', '1k', 'a whole number, 0 or more'],
    ['OTEL_SPAN_EVENT_COUNT_LIMIT', 'x', 'a whole number, 0 or more'],
    ['OTEL_SPAN_LINK_COUNT_LIMIT', 'x', 'a whole number, 0 or more'],
    ['OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT', 'x', 'a whole number, 0 or more'],
    ['OTEL_LINK_ATTRIBUTE_COUNT_LIMIT', 'x', 'a whole number, 0 or more'],
    ['OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT', '0', 'a whole number, 1 or more'],
    ['OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT', '0', 'a whole number, 1 or more'],
    ['OTEL_CONFIG_FILE', 'sdk.yaml', 'no value'],
    ['OTEL_NODE_RESOURCE_DETECTORS', 'env,moon', 'a list of env, host, os, process, serviceinstance, all, none'],
    ['OTEL_NODE_EXPERIMENTAL_SDK_METRICS', 'yes', 'true or false'],
    ...['', 'TRACES_', 'METRICS_', 'LOGS_'].flatMap((signal): [string, string, string][] => [
      [`OTEL_EXPORTER_OTLP_${signal}ENDPOINT`, '127.0.0.1:4318', 'an http or https URL'],
      [`OTEL_EXPORTER_OTLP_${signal}ENDPOINT`, 'collector:4318', 'an http or https URL'],
      [`OTEL_EXPORTER_OTLP_${signal}PROTOCOL`, 'http', 'one of http/protobuf, http/json, grpc'],
      [`OTEL_EXPORTER_OTLP_${signal}HEADERS`, 'authorization', PAIRS],
      [`OTEL_EXPORTER_OTLP_${signal}TIMEOUT`, '10s', MS],
      [`OTEL_EXPORTER_OTLP_${signal}COMPRESSION`, 'zstd', 'one of gzip, none'],
      [`OTEL_EXPORTER_OTLP_${signal}INSECURE`, 'yes', 'true or false'],
      [`OTEL_EXPORTER_OTLP_${signal}CERTIFICATE`, '/nowhere/ca.pem', 'the name of a file that is there'],
      [`OTEL_EXPORTER_OTLP_${signal}CLIENT_CERTIFICATE`, '/nowhere/c.pem', 'the name of a file that is there'],
      [`OTEL_EXPORTER_OTLP_${signal}CLIENT_KEY`, '/nowhere/k.pem', 'the name of a file that is there'],
    ]),
  ])('with %s=%j is refused in one line that says what is allowed', (name, value, allowed) => {
    const refused = () => checkOpenTelemetryEnvironment({ [name]: value });
    expect(refused).toThrow(`${name} is ${JSON.stringify(value)}: expected ${allowed}`);
    expect(refused).toThrow(/^[^\n]*$/);
  });

  test.each([
    [{}],
    [{ OTEL_PROPAGATORS: '', OTEL_TRACES_SAMPLER: '', OTEL_EXPORTER_OTLP_ENDPOINT: '' }],
    [{ OTEL_SDK_DISABLED: 'False', OTEL_LOG_LEVEL: 'WARN' }],
    [{ OTEL_PROPAGATORS: ' tracecontext , baggage,' }],
    [{ OTEL_RESOURCE_ATTRIBUTES: 'team=blue%2Cgreen, owner=%ED%95%9C,empty=,' }],
    [{ OTEL_TRACES_SAMPLER: 'parentbased_traceidratio', OTEL_TRACES_SAMPLER_ARG: '0.25' }],
    [{ OTEL_EXPORTER_OTLP_HEADERS: 'authorization=Basic%20YTpi==,x-tenant=a' }],
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'collector:4317', OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' }],
    [{ OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: '[::1]:4317', OTEL_EXPORTER_OTLP_METRICS_PROTOCOL: 'grpc' }],
    [{ OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE: 'Delta' }],
  ])('with %o is taken', (env) => {
    expect(() => checkOpenTelemetryEnvironment(env)).not.toThrow();
  });
});
