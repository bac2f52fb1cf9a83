import { backendSpecs, chassisSpecs, readEnvironment } from '@bookinfo/chassis';
import { databaseSpecs } from '@bookinfo/chassis/sqlite';

export type Config = ReturnType<typeof readConfig>;

export function readConfig(env: NodeJS.ProcessEnv) {
  return readEnvironment(env, {
    ...chassisSpecs,
    ...databaseSpecs,
    ...backendSpecs('FEEDBACK'),
    ...backendSpecs('DETAILS'),
    ...backendSpecs('RATINGS'),
  });
}
