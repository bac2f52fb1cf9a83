import { Command, CommanderError, InvalidArgumentError, Option } from '@commander-js/extra-typings';

const program = new Command('npx pnpm@12 start')
  .description('Runs the whole of Bookinfo on this machine until Ctrl-C.')
  .addOption(
    new Option('-p, --port <port>', 'where the page is')
      .env('PORT')
      .argParser(readPort)
      .default(9080)
      .makeOptionMandatory(),
  )
  .option('--traces', "print each request's trace as a tree, instead of a line")
  .option('--verbose', 'print every line that a service logs, and every span')
  .option('--quiet', 'print warnings and errors alone')
  .helpOption('-h, --help', 'this text')
  .allowExcessArguments(false)
  .addHelpText(
    'after',
    `
Each service version is a process of its own. One port per service name plays the
Kubernetes Service and takes the versions in turn, connection by connection. They get
the environment that start gets; README.md says which variables they read.`,
  )
  .showHelpAfterError('Usage: npx pnpm@12 start [options] (--help explains them)')
  .exitOverride();

export type Options = ReturnType<typeof readOptions>;

/** The arguments of `start`. Wrong ones are said in a line above the usage, and exit 2; --help is exit 0. */
export function readOptions() {
  try {
    return program.parse().opts();
  } catch (error) {
    // Commander has said what was wrong; 0 is for --help.
    if (error instanceof CommanderError) process.exit(error.exitCode === 0 ? 0 : 2);
    throw error;
  }
}

function readPort(word: string): number {
  const port = Number(word);
  if (Number.isInteger(port) && port >= 1 && port <= 65535) return port;
  throw new InvalidArgumentError('It is a TCP port, 1 to 65535.');
}
