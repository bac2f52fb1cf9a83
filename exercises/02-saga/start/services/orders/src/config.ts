import { backendSpecs, chassisSpecs, integer, readEnvironment } from '@bookinfo/chassis';
import { databaseSpecs } from '@bookinfo/chassis/sqlite';

export type Config = ReturnType<typeof readConfig>;

export function readConfig(env: NodeJS.ProcessEnv) {
  return readEnvironment(env, {
    ...chassisSpecs,
    ...databaseSpecs,
    ...backendSpecs('STOCK'),
    ...backendSpecs('PAYMENTS'),
    PRICE: integer(1)({ default: 12, desc: 'a whole number: what a book costs' }),
  });
}
