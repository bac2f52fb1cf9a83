import { randomBytes } from 'node:crypto';
import { isIPv4, isIPv6 } from 'node:net';
import { backendSpecs, chassisSpecs, httpUrl, integer, readEnvironment, text } from '@bookinfo/chassis';
import { str } from 'envalid';

export type Config = ReturnType<typeof readConfig>;

const addresses = text((input) =>
  input.split(',').every((item) => {
    const [address = '', bits = '0', ...more] = item.split('/');
    const maxBits = isIPv6(address) ? 128 : isIPv4(address) ? 32 : -1;
    const isNetwork = more.length === 0 && /^\d{1,3}$/.test(bits) && Number(bits) <= maxBits;
    return isNetwork || ['loopback', 'linklocal', 'uniquelocal'].includes(item);
  }),
);

export function readConfig(env: NodeJS.ProcessEnv) {
  const specs = {
    ...chassisSpecs,
    ...backendSpecs('DETAILS'),
    ...backendSpecs('REVIEWS'),
    ...backendSpecs('RATINGS'),
    /** Signs the session cookie. All pods behind one name need the same, or a sign-in lasts until the next pod. */
    SESSION_SECRET: str({ default: '', desc: 'a secret text' }),
    /** Whose `X-Forwarded-Proto` is believed: a proxy on this host or in this network, such as a sidecar or an ingress. */
    TRUSTED_PROXIES: addresses({
      default: 'loopback,linklocal,uniquelocal',
      desc: 'a list of IP addresses, networks such as 10.0.0.0/8, loopback, linklocal or uniquelocal',
    }),
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
