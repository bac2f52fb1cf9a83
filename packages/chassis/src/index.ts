export { type App, createApp } from './app.ts';
export { type Answer, type Backend, backendOrigin, createBackend, type ServedBy } from './backend.ts';
export {
  backendSpecs,
  type ChassisConfig,
  ConfigError,
  chassisSpecs,
  httpUrl,
  readEnvironment,
  text,
  whole,
} from './config.ts';
export { HttpError } from './errors.ts';
export { forwardedHeaders } from './headers.ts';
export { serve } from './serve.ts';
