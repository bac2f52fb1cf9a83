import {
  type CleanedEnv,
  customCleanEnv,
  makeValidator,
  type Spec,
  str,
  strictProxyMiddleware,
  type ValidatorSpec,
} from 'envalid';

type Specs = Record<string, ValidatorSpec<unknown>>;

/** A wrong environment. The message has one line per variable: its name, its value and what is allowed. */
export class ConfigError extends Error {
  override name = 'ConfigError';
}

/**
 * Reads a service's configuration from the environment, once, into a frozen object that throws when asked for what it
 * does not have. An empty variable counts as unset, as Compose's `${NAME:-}` leaves it. `derive` adds to it what
 * follows from several variables, or replaces one.
 * @throws {ConfigError} when a value is missing or not allowed
 */
export function readEnvironment<S extends Specs, D extends object = object>(
  env: NodeJS.ProcessEnv,
  specs: S,
  derive?: (config: CleanedEnv<S>) => D,
): Readonly<Omit<CleanedEnv<S>, keyof D> & D> {
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ''));
  const complete = (config: CleanedEnv<S>, raw: unknown) =>
    strictProxyMiddleware({ ...config, ...(derive?.(config) as D) }, raw);
  return customCleanEnv(given, specs, complete, {
    reporter: ({ errors }) => {
      const lines = Object.keys(errors).map((name) => {
        const value = given[name];
        const found = value === undefined ? 'is missing' : `is ${JSON.stringify(value)}`;
        return `${name} ${found}: expected ${allowed(specs[name] as Spec<unknown>)}`;
      });
      if (lines.length > 0) throw new ConfigError(lines.join('\n'));
    },
  });
}

function allowed(spec: Spec<unknown>): string {
  if (spec.choices) return `one of ${spec.choices.join(', ')}`;
  return spec.desc ?? 'another value';
}

/** A whole number from `min` to `max`. */
export const integer = (min: number, max = Number.MAX_SAFE_INTEGER) =>
  makeValidator<number>((input) => {
    const value = /^\d+$/.test(input) ? Number(input) : Number.NaN;
    if (!(value >= min && value <= max)) throw new Error('not allowed');
    return value;
  });

export const tcpPort = ({ default: port }: { default: number }) =>
  integer(1, 65535)({ default: port, desc: 'a TCP port, 1 to 65535' });

/** In any case of letters: what YAML, Python or a shell make of a boolean arrives as `True` or `TRUE`. */
export const flag = () =>
  makeValidator<boolean>((input) => {
    if (/^(true|t|yes|y|on|1)$/i.test(input)) return true;
    if (/^(false|f|no|n|off|0)$/i.test(input)) return false;
    throw new Error('not allowed');
  })({ default: false, desc: 'true or false' });

/** A text that `isAllowed`. */
export const text = (isAllowed: (input: string) => boolean) =>
  makeValidator<string>((input) => {
    if (!isAllowed(input)) throw new Error('not allowed');
    return input;
  });

/** What may stand in a header, where every answer names its version and pod. */
const headerValue = text((input) => /^[\x21-\x7e]+$/.test(input));

/** What may stand between `http://` and the port. */
const host = text((input) => /^([\w.-]+|\[[\da-f:.]+\])$/i.test(input));

/** The address of a web server. */
export const httpUrl = text((input) => /^https?:$/.test(URL.parse(input)?.protocol ?? ''));

/** What every service reads. Kubernetes sets HOSTNAME to the pod's name. */
export const chassisSpecs = {
  PORT: integer(0, 65535)({ default: 9080, desc: 'a TCP port, 0 (any free one) to 65535' }),
  LISTEN_ADDRESS: str({ default: '::', desc: 'an IP address of this host' }),
  SERVICE_VERSION: headerValue({ default: 'v1', desc: 'a version label such as v1' }),
  HOSTNAME: headerValue({ default: 'localhost', desc: 'the name of the pod or host' }),
  LOG_LEVEL: str({ default: 'info', choices: ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const }),
  LOG_FORMAT: str({
    default: process.stdout.isTTY ? ('pretty' as const) : ('json' as const),
    choices: ['json', 'pretty'] as const,
  }),
  CONNECTION_LIFETIME_SECONDS: integer(0)({ default: 0, desc: 'a whole number of seconds, 0 (no end) or more' }),
  SHUTDOWN_DELAY_SECONDS: integer(0)({ default: 0, desc: 'a whole number of seconds, 0 or more' }),
  SHUTDOWN_TIMEOUT_SECONDS: integer(1)({ default: 20, desc: 'a whole number of seconds, 1 or more' }),
};
export type ChassisConfig = ReturnType<typeof readEnvironment<typeof chassisSpecs>>;

/**
 * Where a backend is. Kubernetes injects `RATINGS_SERVICE_PORT=9080` for a Service of the same namespace, which is
 * what we want, and `RATINGS_PORT=tcp://…`, which is why no variable of that second form is ever read.
 */
export const backendSpecs = <N extends Uppercase<string>>(name: N) =>
  ({
    [`${name}_HOSTNAME`]: host({ default: name.toLowerCase(), desc: 'a host name or address, IPv6 in brackets' }),
    [`${name}_SERVICE_PORT`]: tcpPort({ default: 9080 }),
    SERVICES_DOMAIN: host({ default: '', desc: 'a DNS domain, appended to host names of backends' }),
  }) as { [K in `${N}_HOSTNAME` | 'SERVICES_DOMAIN']: ValidatorSpec<string> } & {
    [K in `${N}_SERVICE_PORT`]: ValidatorSpec<number>;
  };
