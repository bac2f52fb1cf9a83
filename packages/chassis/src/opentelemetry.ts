import { basename, dirname } from 'node:path';
import type { Span } from '@opentelemetry/api';
import { getNodeAutoInstrumentations } from '@opentelemetry/auto-instrumentations-node';
import { setGlobalErrorHandler } from '@opentelemetry/core';
import { defaultResource, resourceFromAttributes } from '@opentelemetry/resources';
import { NodeSDK } from '@opentelemetry/sdk-node';
import { currentClientSpan } from './client-span.ts';

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
  OTEL_NODE_ENABLED_INSTRUMENTATIONS: 'http,undici,pino,mongodb,mysql2,runtime-node',
};

export function startOpenTelemetry() {
  for (const [name, value] of Object.entries(DEFAULTS)) process.env[name] ||= value;

  let listener: ((error: Error) => void) | undefined;
  setGlobalErrorHandler((exception) => {
    listener?.(exception instanceof Error ? exception : new Error(String(exception)));
    listener = undefined;
  });

  const sdk = new NodeSDK({
    resource: defaultResource().merge(
      resourceFromAttributes({
        // services/<name>/src/server.ts
        'service.name': basename(dirname(dirname(process.argv[1] ?? ''))),
        'service.namespace': 'bookinfo',
        'service.version': process.env.SERVICE_VERSION || 'v1',
      }),
    ),
    instrumentations: getNodeAutoInstrumentations({
      '@opentelemetry/instrumentation-http': {
        // Probes and scrapes say nothing about a request and would drown the rest.
        ignoreIncomingRequestHook: ({ url = '' }) => url.startsWith('/health') || url.startsWith('/metrics'),
      },
      '@opentelemetry/instrumentation-undici': { requestHook: describeClientSpan },
      '@opentelemetry/instrumentation-pino': { disableLogSending: true },
    }),
  });
  sdk.start();

  return {
    shutdown: () => Promise.race([sdk.shutdown(), new Promise<void>((r) => setTimeout(r, FLUSH_TIMEOUT_MS).unref())]),
    onExportFailure: (l: (error: Error) => void) => {
      listener = l;
    },
  };
}

/** Names a client span after its route; the instrumentation knows the concrete path only. */
function describeClientSpan(span: Span, request: { method: string }): void {
  const { urlTemplate, resendCount } = currentClientSpan();
  if (urlTemplate) span.updateName(`${request.method} ${urlTemplate}`).setAttribute('url.template', urlTemplate);
  if (resendCount) span.setAttribute('http.request.resend_count', resendCount);
}
