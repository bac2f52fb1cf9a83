import { ConfigError, chassisSpecs, integer, readEnvironment, tcpPort } from '@bookinfo/chassis';
import { str } from 'envalid';

export type Config = ReturnType<typeof readConfig>;

/** Where the database versions look: `v2` reads MongoDB, `v2` with DB_TYPE=mysql reads MySQL or MariaDB. */
export function readConfig(env: NodeJS.ProcessEnv) {
  const specs = {
    ...chassisSpecs,
    DB_TYPE: str({ default: 'mongodb', choices: ['mongodb', 'mysql'] as const }),
    MONGO_DB_URL: str({ default: '', desc: 'a MongoDB connection string' }),
    MYSQL_DB_HOST: str({ default: 'mysqldb', desc: 'a host name' }),
    MYSQL_DB_PORT: tcpPort({ default: 3306 }),
    MYSQL_DB_USER: str({ default: 'root', desc: 'a user name' }),
    MYSQL_DB_PASSWORD: str({ default: '', desc: 'a password' }),
    /** Overrides how long a fault lasts: the delay of v-delayed, the phases of v-unavailable and v-unhealthy. */
    FAULT_SECONDS: integer(0)({ default: undefined, desc: 'a whole number of seconds, 0 or more' }),
  };
  return readEnvironment(env, specs, (config) => ({ STORE: storeOf(config) }));
}

function storeOf(config: {
  SERVICE_VERSION: string;
  DB_TYPE: string;
  MONGO_DB_URL: string;
}): 'memory' | 'mongodb' | 'mysql' {
  if (config.DB_TYPE === 'mysql') return 'mysql';
  if (config.MONGO_DB_URL) return 'mongodb';
  if (config.SERVICE_VERSION === 'v2') {
    throw new ConfigError('MONGO_DB_URL is missing: SERVICE_VERSION v2 expects it, or DB_TYPE=mysql');
  }
  return 'memory';
}
