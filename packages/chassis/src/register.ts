/**
 * Starts OpenTelemetry before anything else is loaded: `node --import @bookinfo/chassis/telemetry src/server.ts`.
 * The standard OTEL_* variables alone configure it. It is on when an OTLP endpoint or an exporter is named and
 * OTEL_SDK_DISABLED is not true; off, no part of the SDK is even loaded.
 */
import { readFileSync } from 'node:fs';
import { enableCompileCache, findPackageJSON } from 'node:module';
import { pathToFileURL } from 'node:url';
import { telemetry } from './telemetry.ts';

// What is loaded from here on is kept compiled for the next start, where the temporary folder can be written to.
enableCompileCache();

const { env } = process;
const SIGNALS = ['TRACES', 'METRICS', 'LOGS'];
const endpoints = ['', ...SIGNALS.map((signal) => `${signal}_`)].map(
  (signal) => env[`OTEL_EXPORTER_OTLP_${signal}ENDPOINT`],
);
const exporters = SIGNALS.map((signal) => env[`OTEL_${signal}_EXPORTER`]).filter((name) => name !== 'none');
if (env.OTEL_SDK_DISABLED?.trim().toLowerCase() !== 'true' && [...endpoints, ...exporters].some(Boolean)) {
  const { startOpenTelemetry } = await import('./opentelemetry.ts');
  telemetry.use(await startOpenTelemetry(nameOf(process.argv[1] ?? '')));
}

/** `@bookinfo/details`, in the package.json that a script belongs to → `details` */
function nameOf(script: string): string {
  const { name } = JSON.parse(readFileSync(findPackageJSON(pathToFileURL(script)) ?? '', 'utf8'));
  return name.replace(/^.*\//, '');
}
