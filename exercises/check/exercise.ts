/** What an exercise is, and what its check needs. */
import type { Fault } from './faults.ts';

/** A cluster, where a check is asked for one. */
export interface ClusterAccess {
  /** URL of the way in, without a path. @throws {Obstacle} when no gateway answers, which may be what a student has to mend */
  gateway(): Promise<string>;
  /** What kubectl prints. @throws {Obstacle} when it fails, with the last line that it said */
  kubectl(...args: string[]): Promise<string>;
}

export interface OpenOptions {
  /** Aborted when the check is given up. */
  signal: AbortSignal;
  /** Given with `--cluster`. */
  cluster?: ClusterAccess;
}

export interface Exercise<C extends AsyncDisposable = AsyncDisposable> {
  title: { en: string; ko: string };
  /** Of the course's week 4, such as `1`. */
  day: number;
  minutes: number;
  /** Whether it can be checked with `--cluster`. */
  cluster?: boolean;
  /** A program that a check runs beside the services, such as a broker's. */
  needs?: string;
  /** Exercises (folders) whose solution is laid down before `start/`. */
  after?: readonly string[];
  /**
   * Exercises of whose solution the new files alone are laid down after those. What two exercises change in the same lines,
   * `changes.diff` of `start/` has to change for both.
   */
  files?: readonly string[];
  /**
   * Makes it a challenge: `start` is this many of the variants in `wrong/`, chosen by a seed and laid over `solution/`, and a
   * failed check tells the symptom first, at its second failure where to look, at its third the cause.
   */
  faults?: number;
  /** Of a challenge without `wrong/`, where many faults are in the same files: they are fields of files of `solution/`. */
  pool?: readonly Fault[];
  /** Starts what the questions ask, in the tree at this path. */
  open(tree: string, options: OpenOptions): Promise<C>;
  /** Asked in this order. The first that fails ends the check, for the others would be noise; `goOn` asks all. */
  questions: readonly Question<C>[];
  goOn?: boolean;
  /** A part of what a check says of `start/` and of each variant in `wrong/`: test/exercises holds it to that. */
  refused: { start?: string; wrong: Record<string, string> };
}

export interface Question<C> {
  /** What holds when it passes, as a sentence without its full stop. */
  name: string;
  /** @throws {Finding} */
  ask(context: C): Promise<void>;
}

/** Only for the types: a default export that the questions' context is inferred from. */
export const defineExercise = <C extends AsyncDisposable>(exercise: Exercise<C>): Exercise<C> => exercise;

/** Why a question fails, in the words that a student reads. */
export class Finding extends Error {
  readonly finding: FindingWords;

  constructor(finding: FindingWords) {
    super(`expected ${finding.expected}, saw ${finding.seen}`);
    this.finding = finding;
  }
}

export interface FindingWords {
  expected: string;
  seen: string;
  /** The likeliest cause. */
  cause?: string;
  /** Where to look: a file, a command. */
  look?: string;
}

/** @throws {Finding} unless it holds */
export function hold(condition: boolean, finding: FindingWords): asserts condition {
  if (!condition) throw new Finding(finding);
}

/**
 * Waits until `look` gives something.
 * @throws {Finding} `otherwise()`, after the deadline
 */
export async function eventually<T>(
  look: () => Promise<T | undefined> | T | undefined,
  otherwise: () => FindingWords,
  deadlineMs = 10_000,
): Promise<T> {
  for (const until = Date.now() + deadlineMs; ; ) {
    const found = await look();
    if (found !== undefined) return found;
    if (Date.now() > until) throw new Finding(otherwise());
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
