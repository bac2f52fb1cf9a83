import { createRequire } from 'node:module';
import { basename, dirname } from 'node:path';
import type { NodeSDKConfiguration } from '@opentelemetry/sdk-node';

type Instrumentation = NonNullable<NodeSDKConfiguration['instrumentations']>[number];

/** Flushing must not outlive the pod's grace period when the collector is gone. */
const FLUSH_TIMEOUT_MS = 3000;

/** Defaults for variables that the environment leaves open. */
const DEFAULTS = {
  // services/<name>/src/server.ts
  OTEL_SERVICE_NAME: basename(dirname(dirname(process.argv[1] ?? ''))),
  // On extraction the last name wins. Istio's OTLP provider rewrites traceparent only, so W3C must be the last word;
  // B3 goes out as well, for meshes whose proxies report to Zipkin.
  OTEL_PROPAGATORS: 'b3multi,baggage,tracecontext',
  // Metrics are scraped from /metrics and logs read from stdout.
  OTEL_METRICS_EXPORTER: 'none',
  OTEL_LOGS_EXPORTER: 'none',
  // The default set asks cloud metadata services, which a mesh lets run into timeouts. The last one wins.
  OTEL_NODE_RESOURCE_DETECTORS: 'serviceinstance,host,env',
  // HTTP has spans of our own making. runtime-node gives metrics alone, which prom-client has as well.
  OTEL_NODE_ENABLED_INSTRUMENTATIONS: `mongodb,mysql2${exportsMetrics() ? ',runtime-node' : ''}`,
};

/** What the chassis does itself: spans of HTTP (spans.ts) and their ids in log lines (log.ts). */
const OURS = new Set(['http', 'undici', 'pino']);

/**
 * The meta-package's index imports all of its forty instrumentations. Loading from its place in the dependency tree
 * gives the same versions, and of them only what is enabled: 11 MB less memory per process.
 */
const load = createRequire(import.meta.resolve('@opentelemetry/auto-instrumentations-node'));

export function startOpenTelemetry() {
  checkEnvironment();
  // As the specification says, OTEL_SERVICE_NAME comes before this one, so that its default must not.
  const isNamed = /(^|,)\s*service\.name\s*=/.test(process.env.OTEL_RESOURCE_ATTRIBUTES ?? '');
  for (const [name, value] of Object.entries(DEFAULTS)) {
    if (name !== 'OTEL_SERVICE_NAME' || !isNamed) process.env[name] ||= value;
  }
  // What the environment says of the resource comes last and wins.
  process.env.OTEL_RESOURCE_ATTRIBUTES = [
    'service.namespace=bookinfo',
    `service.version=${encodeURIComponent(process.env.SERVICE_VERSION || 'v1')}`,
    process.env.OTEL_RESOURCE_ATTRIBUTES,
  ]
    .filter(Boolean)
    .join(',');

  const { setGlobalErrorHandler }: typeof import('@opentelemetry/core') = load('@opentelemetry/core');
  const { NodeSDK }: typeof import('@opentelemetry/sdk-node') = load('@opentelemetry/sdk-node');

  let listener: ((error: Error) => void) | undefined;
  setGlobalErrorHandler((exception) => {
    listener?.(exception instanceof Error ? exception : new Error(String(exception)));
    listener = undefined;
  });

  const sdk = new NodeSDK({
    instrumentations: listIn('OTEL_NODE_ENABLED_INSTRUMENTATIONS')
      .filter((name) => !OURS.has(name) && !listIn('OTEL_NODE_DISABLED_INSTRUMENTATIONS').includes(name))
      .map(loadInstrumentation),
  });
  sdk.start();

  return {
    shutdown: () => {
      const flushed = sdk.shutdown().catch((error) => listener?.(error));
      return Promise.race([flushed, new Promise<void>((r) => setTimeout(r, FLUSH_TIMEOUT_MS).unref())]);
    },
    onExportFailure: (l: (error: Error) => void) => {
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

/** `mongodb` → a MongoDBInstrumentation. A name that the meta-package does not have is one line on stderr and exit 1. */
function loadInstrumentation(name: string): Instrumentation {
  let exported: Record<string, unknown>;
  try {
    exported = load(`@opentelemetry/instrumentation-${name}`);
  } catch {
    const wanted = 'instrumentations of @opentelemetry/auto-instrumentations-node';
    process.stderr.write(`OTEL_NODE_ENABLED_INSTRUMENTATIONS names "${name}": expected ${wanted}\n`);
    process.exit(1);
  }
  const found = Object.entries(exported).find(([key]) => key.endsWith('Instrumentation'));
  const Instrumentation = found?.[1] as new () => Instrumentation;
  return new Instrumentation();
}
