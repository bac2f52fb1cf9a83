import type { Versions } from '../../local/workloads.ts';

const mysql = { SERVICE_VERSION: 'v2', DB_TYPE: 'mysql', MYSQL_DB_PORT: '3306', MYSQL_DB_USER: 'root' };

export const ratings = {
  v1: { start: true },
  v2: { env: { MONGO_DB_URL: 'mongodb://mongodb:27017/test' } },
  'v2-mysql': { env: { ...mysql, MYSQL_DB_HOST: 'mysqldb' } },
  'v2-mysql-vm': { env: { ...mysql, MYSQL_DB_HOST: 'mysqldb.vm.svc.cluster.local' } },
  'v-faulty': {},
  'v-delayed': {},
  'v-unavailable': {},
  'v-unhealthy': {},
} satisfies Versions;
