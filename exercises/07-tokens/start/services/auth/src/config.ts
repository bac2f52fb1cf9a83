import { chassisSpecs, integer, readEnvironment } from '@bookinfo/chassis';

export type Config = ReturnType<typeof readConfig>;

export function readConfig(env: NodeJS.ProcessEnv) {
  return readEnvironment(env, {
    ...chassisSpecs,
    /** How long a token is good for. */
    TOKEN_SECONDS: integer(1, 86_400)({ default: 300, desc: 'seconds, 1 to 86400' }),
  });
}
