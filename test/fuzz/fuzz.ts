/**
 * Sends a service a lot of requests that nobody should send: `node test/fuzz/fuzz.ts --service details --requests 100000`.
 * Exits with 1 when something was found. The same seed sends the same requests.
 */
import { parseArgs } from 'node:util';
import { SERVICES, type Service } from '../../local/workloads.ts';
import { KNOWN } from '../services/known.ts';
import { fuzz } from './fuzzer.ts';
import { startTargets } from './target.ts';

const USAGE = `Usage: node test/fuzz/fuzz.ts [options]

  --service NAME   one of ${SERVICES.join(', ')} (default all, one after another)
  --requests N     to each (default 1000)
  --seed N         (default 1)`;

const options = readOptions();
await using targets = await startTargets();
let found = 0;
for (const service of options.services) {
  const { seed, requests } = options;
  const report = await fuzz(targets[service], {
    routes: [KNOWN[service].route, ...Object.keys(KNOWN[service].routes)],
    seed,
    requests,
    onProgress: (done) => {
      if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${service}: ${done} of ${requests}`);
    },
  });
  if (process.stderr.isTTY) process.stderr.write('\r\x1b[K');
  const statuses = Object.entries(report.statuses).map(([status, count]) => `${status}: ${count}`);
  const [before, after] = report.memoryMiB.map((mib) => mib.toFixed(0));
  console.log(
    `${service}: ${requests} requests with seed ${seed} in ${report.seconds.toFixed(0)} s, ${before} to ${after} MiB, ` +
      `${report.findings.length} findings; answers ${statuses.join(', ')}`,
  );
  for (const { what, detail } of report.findings) console.log(`  ${what}: ${detail}`);
  found += report.findings.length;
}
process.exitCode = found > 0 ? 1 : 0;

function readOptions(): { services: readonly Service[]; requests: number; seed: number } {
  try {
    const { values } = parseArgs({
      options: {
        service: { type: 'string' },
        requests: { type: 'string', default: '1000' },
        seed: { type: 'string', default: '1' },
        help: { type: 'boolean', default: false },
      },
    });
    if (values.help) {
      console.log(USAGE);
      process.exit(0);
    }
    const whole = (name: 'requests' | 'seed') => {
      if (!/^\d{1,9}$/.test(values[name])) throw new Error(`--${name} ${values[name]}: expected a whole number`);
      return Number(values[name]);
    };
    const services = SERVICES.filter((service) => values.service === undefined || service === values.service);
    if (services.length === 0) throw new Error(`--service ${values.service}: expected one of ${SERVICES.join(', ')}`);
    return { services, requests: whole('requests'), seed: whole('seed') };
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : error}\n\n${USAGE}`);
    process.exit(2);
  }
}
