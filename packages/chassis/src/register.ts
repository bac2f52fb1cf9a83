/**
 * Starts OpenTelemetry before anything else is loaded: `node --import @bookinfo/chassis/telemetry src/server.ts`.
 * The standard OTEL_* variables alone configure it. It is on when an OTLP endpoint or a traces exporter is named and
 * OTEL_SDK_DISABLED is not true; off, no part of the SDK is even loaded.
 */
import { readFileSync } from 'node:fs';
import { enableCompileCache, findPackageJSON } from 'node:module';
import { pathToFileURL } from 'node:url';
import { telemetry } from './telemetry.ts';

// What is loaded from here on is kept compiled for the next start, where the temporary folder can be written to.
enableCompileCache();

const { env } = process;
const wanted = [env.OTEL_EXPORTER_OTLP_ENDPOINT, env.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT, env.OTEL_TRACES_EXPORTER];
if (env.OTEL_SDK_DISABLED?.toLowerCase() !== 'true' && wanted.some(Boolean)) {
  const { startOpenTelemetry } = await import('./opentelemetry.ts');
  telemetry.use(await startOpenTelemetry(nameOf(process.argv[1] ?? '')));
}

/** `@bookinfo/details`, in the package.json that a script belongs to → `details` */
function nameOf(script: string): string {
  const { name } = JSON.parse(readFileSync(findPackageJSON(pathToFileURL(script)) ?? '', 'utf8'));
  return name.replace(/^.*\//, '');
}
