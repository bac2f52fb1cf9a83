/** How a command ends. */
import { CommanderError, type CommandUnknownOpts } from '@commander-js/extra-typings';

/** What ends a command with one line for its user, and an exit code. */
export abstract class Ending extends Error {
  abstract readonly exitCode: number;
}

/**
 * Runs a command. Wrong use: usage, and exit code 2. What the operating system refuses (no space left, read-only) is one line as
 * well, with exit code 1. Everything else is a mistake of ours.
 * @param stopped nothing more is said once it is aborted: whoever did that has set the exit code
 */
export async function run(program: CommandUnknownOpts, stopped?: AbortSignal): Promise<void> {
  try {
    await program.parseAsync();
  } catch (error) {
    if (stopped?.aborted) return;
    // Commander has said what was wrong; 0 is for --help.
    if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : 2;
    else if (error instanceof Ending || (error instanceof Error && 'syscall' in error)) {
      console.error(error.message);
      process.exitCode = error instanceof Ending ? error.exitCode : 1;
    } else throw error;
  }
}
