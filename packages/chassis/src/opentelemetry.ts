import { setGlobalErrorHandler } from '@opentelemetry/core';
import { NodeSDK, type NodeSDKConfiguration } from '@opentelemetry/sdk-node';
import { ConfigError } from './config.ts';
import { checkOpenTelemetryEnvironment, itemsOf } from './opentelemetry-environment.ts';
import type { Sdk } from './telemetry.ts';

type Instrumentation = NonNullable<NodeSDKConfiguration['instrumentations']>[number];

/** Flushing must not outlive the pod's grace period when the collector is gone. */
const FLUSH_TIMEOUT_MS = 3000;

const { env } = process;
const tracesGoTo = env.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT || env.OTEL_EXPORTER_OTLP_ENDPOINT;

/** Defaults for variables that the environment leaves open. */
const DEFAULTS = {
  // On extraction the last name wins. Istio's OTLP provider rewrites traceparent only, so W3C must be the last word;
  // B3 goes out as well, for meshes whose proxies report to Zipkin.
  OTEL_PROPAGATORS: 'b3multi,baggage,tracecontext',
  OTEL_TRACES_EXPORTER: tracesGoTo ? 'otlp' : 'none',
  // Metrics are scraped from /metrics and logs read from stdout.
  OTEL_METRICS_EXPORTER: 'none',
  OTEL_LOGS_EXPORTER: 'none',
  // The default set asks cloud metadata services, which a mesh lets run into timeouts. The last one wins.
  OTEL_NODE_RESOURCE_DETECTORS: 'serviceinstance,host,env',
  // The SDK has names of its own for these two of the specification.
  OTEL_SPAN_ATTRIBUTE_PER_EVENT_COUNT_LIMIT: env.OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT,
  OTEL_SPAN_ATTRIBUTE_PER_LINK_COUNT_LIMIT: env.OTEL_LINK_ATTRIBUTE_COUNT_LIMIT,
};

/** What the chassis does itself: spans of HTTP (spans.ts). */
const OURS = ['http', 'undici'];

/** `service` is what traces call it, if the environment has no other name. */
export async function startOpenTelemetry(service: string): Promise<Sdk> {
  try {
    checkOpenTelemetryEnvironment(env);
  } catch (error) {
    refuse(error instanceof ConfigError ? error.message : String(error));
  }
  for (const [name, value] of Object.entries(DEFAULTS)) if (value) env[name] ||= value;
  // What the environment says of the resource comes last and wins.
  env.OTEL_RESOURCE_ATTRIBUTES = [
    `service.name=${service}`,
    'service.namespace=bookinfo',
    `service.version=${encodeURIComponent(env.SERVICE_VERSION || 'v1')}`,
    env.OTEL_RESOURCE_ATTRIBUTES,
  ]
    .filter(Boolean)
    .join(',');

  let listener: ((error: Error) => void) | undefined;
  setGlobalErrorHandler((exception) => {
    listener?.(exception instanceof Error ? exception : new Error(String(exception)));
    listener = undefined;
  });

  const enabled = itemsOf(env.OTEL_NODE_ENABLED_INSTRUMENTATIONS);
  const byDefault = [
    ...(env.OTEL_METRICS_EXPORTER === 'none' ? [] : ['runtime-node']),
    ...(env.OTEL_LOGS_EXPORTER === 'none' ? [] : ['pino']),
  ];
  const sdk = new NodeSDK({ instrumentations: await enable(enabled.length === 0 ? byDefault : enabled) });
  sdk.start();

  const disabled = itemsOf(env.OTEL_NODE_DISABLED_INSTRUMENTATIONS);
  return {
    traces: (side) => !disabled.includes(side === 'server' ? 'http' : 'undici'),
    instrument: async (library) => {
      if (enabled.length === 0) await enable([library]);
    },
    shutdown: () => {
      const flushed = sdk.shutdown().catch((error) => listener?.(error));
      return Promise.race([flushed, new Promise<void>((r) => setTimeout(r, FLUSH_TIMEOUT_MS).unref())]);
    },
    onExportFailure: (l) => {
      listener = l;
    },
  };
}

/**
 * Loads the meta-package, which imports all of its forty instrumentations, if one of these is to be enabled: it costs
 * 11 MB. A name that it does not have is one line on stderr and exit 1.
 */
async function enable(libraries: readonly string[]): Promise<Instrumentation[]> {
  const disabled = [...OURS, ...itemsOf(env.OTEL_NODE_DISABLED_INSTRUMENTATIONS)];
  const wanted = libraries.filter((name) => !disabled.includes(name));
  if (wanted.length === 0) return [];
  const { getNodeAutoInstrumentations } = await import('@opentelemetry/auto-instrumentations-node');
  env.OTEL_NODE_ENABLED_INSTRUMENTATIONS = wanted.join(',');
  // Log lines name their span already (log.ts).
  const enabled = getNodeAutoInstrumentations({
    '@opentelemetry/instrumentation-pino': { disableLogCorrelation: true },
  });
  const names = new Set(enabled.map(({ instrumentationName }) => instrumentationName));
  const missing = wanted.find((name) => !names.has(`@opentelemetry/instrumentation-${name}`));
  if (missing === undefined) return enabled;
  const expected = 'instrumentations of @opentelemetry/auto-instrumentations-node';
  return refuse(`OTEL_NODE_ENABLED_INSTRUMENTATIONS names "${missing}": expected ${expected}`);
}

function refuse(message: string): never {
  process.stderr.write(`${message}\n`);
  process.exit(1);
}
