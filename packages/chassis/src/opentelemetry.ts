import { setGlobalErrorHandler } from '@opentelemetry/core';
import { NodeSDK, type NodeSDKConfiguration } from '@opentelemetry/sdk-node';
import type { Sdk } from './telemetry.ts';

type Instrumentation = NonNullable<NodeSDKConfiguration['instrumentations']>[number];

/** Flushing must not outlive the pod's grace period when the collector is gone. */
const FLUSH_TIMEOUT_MS = 3000;

/** Defaults for variables that the environment leaves open. */
const DEFAULTS = {
  // On extraction the last name wins. Istio's OTLP provider rewrites traceparent only, so W3C must be the last word;
  // B3 goes out as well, for meshes whose proxies report to Zipkin.
  OTEL_PROPAGATORS: 'b3multi,baggage,tracecontext',
  // Metrics are scraped from /metrics and logs read from stdout.
  OTEL_METRICS_EXPORTER: 'none',
  OTEL_LOGS_EXPORTER: 'none',
  // The default set asks cloud metadata services, which a mesh lets run into timeouts. The last one wins.
  OTEL_NODE_RESOURCE_DETECTORS: 'serviceinstance,host,env',
};

/** What the chassis does itself: spans of HTTP (spans.ts) and their ids in log lines (log.ts). */
const OURS = ['http', 'undici', 'pino'];

/** `service` is what traces call it, if the environment has no other name. */
export async function startOpenTelemetry(service: string): Promise<Sdk> {
  checkEnvironment();
  for (const [name, value] of Object.entries(DEFAULTS)) process.env[name] ||= value;
  // What the environment says of the resource comes last and wins.
  process.env.OTEL_RESOURCE_ATTRIBUTES = [
    `service.name=${service}`,
    'service.namespace=bookinfo',
    `service.version=${encodeURIComponent(process.env.SERVICE_VERSION || 'v1')}`,
    process.env.OTEL_RESOURCE_ATTRIBUTES,
  ]
    .filter(Boolean)
    .join(',');

  let listener: ((error: Error) => void) | undefined;
  setGlobalErrorHandler((exception) => {
    listener?.(exception instanceof Error ? exception : new Error(String(exception)));
    listener = undefined;
  });

  const enabled = listIn('OTEL_NODE_ENABLED_INSTRUMENTATIONS');
  const sdk = new NodeSDK({
    instrumentations: await enable(enabled.length === 0 && exportsMetrics() ? ['runtime-node'] : enabled),
  });
  sdk.start();

  return {
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

const listIn = (name: string): string[] =>
  (process.env[name] ?? '')
    .split(',')
    .map((item) => item.trim())
    .filter(Boolean);

const PROPAGATORS = ['tracecontext', 'baggage', 'b3', 'b3multi', 'none'];

/** What the SDK would pass over in silence, cutting the mesh's trace or exporting to nowhere, is one line and exit 1. */
function checkEnvironment(): void {
  const refuse = (name: string, wanted: string): never => {
    process.stderr.write(`${name} is ${JSON.stringify(process.env[name])}: expected ${wanted}\n`);
    process.exit(1);
  };
  if (!listIn('OTEL_PROPAGATORS').every((name) => PROPAGATORS.includes(name))) {
    refuse('OTEL_PROPAGATORS', `a list of ${PROPAGATORS.join(', ')}`);
  }
  for (const signal of ['', 'TRACES_', 'METRICS_', 'LOGS_']) {
    const name = `OTEL_EXPORTER_OTLP_${signal}ENDPOINT`;
    const value = process.env[name];
    if (value && !/^https?:\/\/./.test(value)) refuse(name, 'an http or https URL such as http://collector:4318');
  }
}

function exportsMetrics(): boolean {
  return (process.env.OTEL_METRICS_EXPORTER || 'none') !== 'none';
}

/**
 * Loads the meta-package, which imports all of its forty instrumentations, if one of these is to be enabled: it costs
 * 11 MB. A name that it does not have is one line on stderr and exit 1.
 */
async function enable(libraries: readonly string[]): Promise<Instrumentation[]> {
  const disabled = [...OURS, ...listIn('OTEL_NODE_DISABLED_INSTRUMENTATIONS')];
  const wanted = libraries.filter((name) => !disabled.includes(name));
  if (wanted.length === 0) return [];
  const { getNodeAutoInstrumentations } = await import('@opentelemetry/auto-instrumentations-node');
  process.env.OTEL_NODE_ENABLED_INSTRUMENTATIONS = wanted.join(',');
  const enabled = getNodeAutoInstrumentations();
  const names = new Set(enabled.map(({ instrumentationName }) => instrumentationName));
  const missing = wanted.find((name) => !names.has(`@opentelemetry/instrumentation-${name}`));
  if (missing === undefined) return enabled;
  const expected = 'instrumentations of @opentelemetry/auto-instrumentations-node';
  process.stderr.write(`OTEL_NODE_ENABLED_INSTRUMENTATIONS names "${missing}": expected ${expected}\n`);
  process.exit(1);
}
