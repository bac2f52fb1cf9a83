import { parseArgs } from 'node:util';
import { closest, distance } from 'fastest-levenshtein';

const USAGE = `Runs the whole of Bookinfo on this machine until Ctrl-C.

Usage: npx pnpm@12 start [options]

  -p, --port PORT   where the page is (default: the variable PORT, else 9080)
      --traces      print each request's trace as a tree, instead of a line
      --verbose     print every line that a service logs
      --quiet       print warnings and errors alone
  -h, --help        this text

Each service version is a process of its own. One port per service name plays the
Kubernetes Service and takes the versions in turn, connection by connection. They get
the environment that start gets; README.md says which variables they read.`;

const OPTIONS = {
  port: { type: 'string', short: 'p', default: process.env.PORT || '9080' },
  traces: { type: 'boolean', default: false },
  verbose: { type: 'boolean', default: false },
  quiet: { type: 'boolean', default: false },
  help: { type: 'boolean', short: 'h', default: false },
} as const;

export type Options = ReturnType<typeof readOptions>;

/** The arguments of `start`. Wrong ones are said in one line above the usage, and exit 2; --help is exit 0. */
export function readOptions() {
  try {
    const { values } = parseArgs({ options: OPTIONS });
    if (values.help) {
      console.log(USAGE);
      process.exit(0);
    }
    const port = Number(values.port);
    if (!Number.isInteger(port) || port < 1 || port > 65535) throw new Error(`--port ${values.port}: not a TCP port`);
    return { ...values, port };
  } catch (error) {
    console.error(`${problemIn(error)}\nUsage: npx pnpm@12 start [options] (--help explains them)`);
    process.exit(2);
  }
}

function problemIn(error: unknown): string {
  const [problem = ''] = (error instanceof Error ? error.message : String(error)).split('. ');
  const [, unknown] = /^Unknown option '--(.+)'/.exec(problem) ?? [];
  if (unknown === undefined) return problem;
  const known = closest(unknown, Object.keys(OPTIONS));
  return distance(unknown, known) <= 2 ? `${problem}, did you mean --${known}?` : problem;
}
