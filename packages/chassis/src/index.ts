export { type App, createApp } from './app.ts';
export {
  type Answer,
  type Backend,
  connectBackend,
  connectOrigin,
  describeReason,
  type Failure,
  type Outcome,
  type Reason,
  type ServedBy,
  type Try,
} from './backend.ts';
export { type Caller, callerOf } from './caller.ts';
export {
  backendSpecs,
  ConfigError,
  chassisSpecs,
  flag,
  httpUrl,
  integer,
  readEnvironment,
  tcpPort,
  text,
} from './config.ts';
export { HttpError } from './errors.ts';
export { NOBODY, type Origin, onBehalfOf, originOf } from './origin.ts';
export { serve } from './serve.ts';
export { callTry, readServerTiming, type ServerTiming, tenths, writeServerTiming } from './server-timing.ts';
export { telemetry } from './telemetry.ts';
export { traceIdOf } from './trace-id.ts';
export { validatorOf } from './validation.ts';
