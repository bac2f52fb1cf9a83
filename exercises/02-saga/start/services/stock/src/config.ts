import { chassisSpecs, integer, readEnvironment } from '@bookinfo/chassis';
import { databaseSpecs } from '@bookinfo/chassis/sqlite';

export type Config = ReturnType<typeof readConfig>;

export function readConfig(env: NodeJS.ProcessEnv) {
  return readEnvironment(env, {
    ...chassisSpecs,
    ...databaseSpecs,
    BOOKS: integer(0)({ default: 100, desc: 'a whole number: copies of each book in the beginning' }),
  });
}
