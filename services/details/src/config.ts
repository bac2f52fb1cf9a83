import { chassisSpecs, flag, httpUrl, readEnvironment } from '@bookinfo/chassis';

export type Config = ReturnType<typeof readConfig>;

export function readConfig(env: NodeJS.ProcessEnv) {
  return readEnvironment(env, {
    ...chassisSpecs,
    /** details v2: ask Google Books instead of answering static data. */
    ENABLE_EXTERNAL_BOOK_SERVICE: flag(),
    /** Speak plain HTTP to port 80 and leave TLS to the sidecar or the egress gateway. */
    DO_NOT_ENCRYPT: flag(),
    /** A stand-in for Google Books where there is no internet. */
    EXTERNAL_BOOK_SERVICE_URL: httpUrl({ default: 'https://www.googleapis.com', desc: 'an http or https URL' }),
  });
}
