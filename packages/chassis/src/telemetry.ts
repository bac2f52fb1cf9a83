/**
 * Starts OpenTelemetry before anything else is loaded: `node --import @bookinfo/chassis/telemetry src/server.ts`.
 * The standard OTEL_* variables alone configure it. It is on when an OTLP endpoint or a traces exporter is named and
 * OTEL_SDK_DISABLED is not true; off, no part of the SDK is even loaded.
 */
import { enableCompileCache } from 'node:module';

// The same line of thought, be early: what is loaded from here on is kept compiled for the next start, where the
// temporary folder can be written to.
enableCompileCache();

const { env } = process;

const wanted = [env.OTEL_EXPORTER_OTLP_ENDPOINT, env.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT, env.OTEL_TRACES_EXPORTER];
const enabled = env.OTEL_SDK_DISABLED?.toLowerCase() !== 'true' && wanted.some(Boolean);
const sdk = enabled ? (await import('./opentelemetry.ts')).startOpenTelemetry() : undefined;

export const telemetry = {
  enabled,
  /** Sends what is still buffered. To be called after the server has drained, or the last spans are lost. */
  shutdown: async (): Promise<void> => sdk?.shutdown(),
  /** Names the listener for the first failed export; later ones are dropped, an absent collector is one fact. */
  onExportFailure: (listener: (error: Error) => void): void => sdk?.onExportFailure(listener),
};
