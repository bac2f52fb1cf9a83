import { Ending } from '../local/program.ts';

/** What keeps a command from its work, and the next step: printed as one line, with exit code 1. */
export class Obstacle extends Ending {
  readonly exitCode = 1;
  readonly problem: string;
  readonly next: string;

  /**
   * @param problem a sentence without its full stop
   * @param next what to do about it: a command, or where to read on
   */
  constructor(problem: string, next: string) {
    super(`${problem}. Next: ${next}`);
    this.problem = problem;
    this.next = next;
  }
}
