import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

const isLinux = process.platform === 'linux';
/** Of /proc/PID/stat; the same on every Linux that runs Node. */
const TICK_US = 10_000;

/** CPU time that processes have used so far, in user and kernel together, in microseconds. */
export function cpuOf(pids: readonly number[]): number {
  return sum(pids, (pid) => {
    if (!isLinux) return secondsOf(ps(pid, 'time')) * 1e6;
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
    return (Number(fields[11]) + Number(fields[12])) * TICK_US;
  });
}

/** MB of memory. On Linux PSS: what processes share, such as Node's own code, is divided among them. Elsewhere RSS. */
export function memoryOf(pids: readonly number[]): number {
  return sum(pids, (pid) => {
    if (!isLinux) return Number(ps(pid, 'rss')) / 1024;
    return Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1]) / 1024;
  });
}

/** How often processes have gone to sleep so far, all threads together. Not known but on Linux. */
export function wakeUpsOf(pids: readonly number[]): number {
  if (!isLinux) return Number.NaN;
  return sum(pids, (pid) =>
    sum(readdirSync(`/proc/${pid}/task`).map(Number), (thread) => {
      const status = readFileSync(`/proc/${pid}/task/${thread}/status`, 'utf8');
      return Number(/^voluntary_ctxt_switches:\s+(\d+)/m.exec(status)?.[1]);
    }),
  );
}

const ps = (pid: number, field: string) =>
  execFileSync('ps', ['-o', `${field}=`, '-p', String(pid)], { encoding: 'utf8' });

/** `[[hours:]minutes:]seconds` */
function secondsOf(time: string): number {
  return time
    .trim()
    .split(':')
    .reduce((seconds, part) => seconds * 60 + Number(part), 0);
}

const sum = (numbers: readonly number[], of: (n: number) => number) => numbers.reduce((total, n) => total + of(n), 0);
