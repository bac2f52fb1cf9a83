import { randomBytes } from 'node:crypto';
import { backendSpecs, chassisSpecs, httpUrl, integer, readEnvironment } from '@bookinfo/chassis';
import { str } from 'envalid';

export type Config = ReturnType<typeof readConfig>;

export function readConfig(env: NodeJS.ProcessEnv) {
  const specs = {
    ...chassisSpecs,
    ...backendSpecs('DETAILS'),
    ...backendSpecs('REVIEWS'),
    ...backendSpecs('RATINGS'),
    /** Signs the session cookie. All pods behind one name need the same, or a sign-in lasts until the next pod. */
    SESSION_SECRET: str({ default: '', desc: 'a secret text' }),
    /** v-flooding: this many extra requests for reviews per page view. */
    FLOOD_FACTOR: integer(0)({ default: 0, desc: 'a whole number, 0 or more' }),
    /** Where Jaeger's pages are, such as http://localhost:16686, to link the page's trace. */
    JAEGER_UI_URL: httpUrl({ default: undefined, desc: 'an http or https URL' }),
  };
  return readEnvironment(env, specs, ({ SESSION_SECRET }) => ({
    SESSION_SECRET: SESSION_SECRET || randomBytes(32).toString('hex'),
    SESSION_SECRET_IS_RANDOM: !SESSION_SECRET,
  }));
}
