import { chassisSpecs, readEnvironment } from '@bookinfo/chassis';
import { backendSpecs } from '@bookinfo/chassis'; // with --calls
import { databaseSpecs } from '@bookinfo/chassis/sqlite'; // with --store

export type Config = ReturnType<typeof readConfig>;

export function readConfig(env: NodeJS.ProcessEnv) {
  return readEnvironment(env, {
    ...chassisSpecs,
    ...databaseSpecs, // with --store
    ...backendSpecs('DETAILS'), // for each of --calls
  });
}
