import { styleText } from 'node:util';
import type { Options } from './options.ts';
import type { Workload } from './workloads.ts';

/** What the terminal shows of a line of a service's log. The chassis writes it, as docs/telemetry.md says. */
interface LogLine {
  level: string;
  time: string;
  service: string;
  version: string;
  msg: string;
  err?: { message: string };
  /** These come when a request is over. */
  path?: string;
  status?: number;
  duration_ms?: number;
  /** And these when it was for a product page. */
  end_user?: string;
  calls?: string;
}

/** What is at `warn` or above. */
const SERIOUS = new Set(['warn', 'error', 'fatal']);
/** Room for `GET /productpage 200, jason`. */
const REQUEST_WIDTH = 27;

/**
 * The text that a line of a service's output is worth in the terminal; undefined when it is none. Warnings and errors are,
 * and so is what the page's users asked for: one line for each page, whoever was asked behind it.
 */
export function textOf(line: string, { service, version }: Workload, options: Options): string | undefined {
  const parsed = parse(line);
  if (!parsed) return `${service} ${version}  ${line}`;
  const { path } = parsed;
  const isPage = path !== undefined && service === 'productpage' && !path.startsWith('/static/');
  const isWanted = options.verbose || SERIOUS.has(parsed.level) || (isPage && !options.quiet && !options.traces);
  if (!isWanted) return undefined;
  if (process.env.LOG_FORMAT === 'json') return line;
  return path === undefined ? event(parsed) : request(parsed);
}

/** `01:49:42  GET /productpage 200, jason    95 ms  productpage v1 → details v1, reviews v2 → ratings v1` */
function request({ time, msg, end_user, duration_ms = 0, service, version, status = 0, calls }: LogLine): string {
  const what = printable(end_user === undefined ? msg : `${msg}, ${end_user}`).padEnd(REQUEST_WIDTH);
  const ms = `${Math.round(duration_ms)} ms`.padStart(8);
  const who = printable(`${service} ${version}${calls === undefined ? '' : ` → ${calls}`}`);
  if (status >= 500 || calls?.includes('✕')) return `${clock(time)}  ${styleText('red', `${what}${ms}  ${who}`)}`;
  return `${clock(time)}  ${status >= 400 ? styleText('yellow', what) : what}${styleText('dim', ms)}  ${who}`;
}

/** `01:49:42  WARN  reviews v2  ratings answered 503` */
function event({ time, level, service, version, msg, err }: LogLine): string {
  const label = level === 'warn' ? styleText('yellow', 'WARN') : level.toUpperCase();
  const what = printable(`${msg}${err ? `: ${err.message.split('\n')[0]}` : ''}`);
  const text = `${label}  ${service} ${version}  ${what}`;
  return `${clock(time)}  ${level === 'error' || level === 'fatal' ? styleText('red', text) : text}`;
}

const clock = (time: string): string => styleText('dim', new Date(time).toTimeString().slice(0, 8));

/** What clients think up must not move the cursor. */
export const printable = (text: string): string => text.replace(/\p{Cc}/gu, '�');

function parse(line: string): LogLine | undefined {
  if (!line.startsWith('{')) return undefined;
  try {
    const parsed = JSON.parse(line) as Partial<LogLine>;
    return parsed.level && parsed.time && parsed.msg !== undefined ? (parsed as LogLine) : undefined;
  } catch {
    return undefined;
  }
}
