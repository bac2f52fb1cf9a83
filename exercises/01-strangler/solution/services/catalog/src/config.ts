import { chassisSpecs, readEnvironment } from '@bookinfo/chassis';

export type Config = ReturnType<typeof readConfig>;

export function readConfig(env: NodeJS.ProcessEnv) {
  return readEnvironment(env, chassisSpecs);
}
