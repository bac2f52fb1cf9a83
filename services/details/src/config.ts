import { chassisSpecs, httpUrl, readEnvironment } from '@bookinfo/chassis';
import { bool } from 'envalid';

export type Config = ReturnType<typeof readConfig>;

export function readConfig(env: NodeJS.ProcessEnv) {
  return readEnvironment(env, {
    ...chassisSpecs,
    /** details v2: ask Google Books instead of answering static data. */
    ENABLE_EXTERNAL_BOOK_SERVICE: bool({ default: false, desc: 'true or false' }),
    /** Speak plain HTTP to port 80 and leave TLS to the sidecar or the egress gateway. */
    DO_NOT_ENCRYPT: bool({ default: false, desc: 'true or false' }),
    /** A stand-in for Google Books where there is no internet. */
    EXTERNAL_BOOK_SERVICE_URL: httpUrl({ default: 'https://www.googleapis.com', desc: 'an http or https URL' }),
  });
}
