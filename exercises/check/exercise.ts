/** What an exercise is, and what its check needs. */
import type { Manifest } from '@bookinfo/mesh';
import type { Span } from '../../local/otlp.ts';
import type { Fault } from './faults.ts';

/** A cluster, where a check is asked for one. */
export interface ClusterAccess {
  /** URL of the way in, without a path. @throws {Obstacle} when no gateway answers, which may be what a student has to mend */
  gateway(): Promise<string>;
  /** What kubectl prints. @throws {Obstacle} when it fails, with the last line that it said */
  kubectl(...args: string[]): Promise<string>;
  /** @throws {Obstacle} when the API server refuses one of them */
  apply(...manifests: Manifest[]): Promise<void>;
  /** The spans that Jaeger has of a trace by now. @throws {Obstacle} without a Jaeger */
  trace(traceId: string): Promise<Span[]>;
}

export interface OpenOptions {
  /** Aborted when the check is given up. */
  signal: AbortSignal;
  /** Given with `--cluster`. */
  cluster?: ClusterAccess;
}

/**
 * `C` is what every question needs, `Offline` what there is beside it without a cluster: links, processes, files; `InCluster`
 * with one.
 */
export interface Exercise<C extends AsyncDisposable = AsyncDisposable, Offline extends C = C, InCluster extends C = C> {
  title: { en: string; ko: string };
  /** Of the course's week 4, such as `1`. */
  day: number;
  minutes: number;
  /** A program that a check without a cluster runs beside the services, such as a broker's. */
  needs?: string;
  /** What its files bring into `services/`: deployed as `new:service` does it, with a place for state where it is asked for. */
  services?: Readonly<Record<string, { store?: boolean }>>;
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
  open(tree: string, options: OpenOptions): Promise<Offline>;
  /** The same where `--cluster` is possible, of what the student has deployed. */
  openInCluster?(tree: string, options: Required<OpenOptions>): Promise<InCluster>;
  /** Asked in this order. The first that fails ends the check, for the others would be noise; `goOn` asks all. */
  questions: readonly (Question<C> | OfflineQuestion<Offline> | ClusterQuestion<InCluster>)[];
  goOn?: boolean;
  /**
   * A part of what a check says of `start/` and of the variants in `wrong/`: test/exercises holds it to that, and test/week4 to
   * what a cluster says of those that it can tell. Each variant is refused by one of them, at least.
   */
  refused: { start?: string; wrong: Record<string, string>; inCluster?: { start?: string; [wrong: string]: string } };
}

export interface Question<C> {
  /** What holds when it passes, as a sentence without its full stop. */
  name: string;
  /** Which hint of the README helps who fails it, from 1. */
  hint?: number;
  /** @throws {Finding} @throws {Unasked} when this cluster has not what it takes */
  ask(context: C): Promise<void>;
  offline?: undefined;
  inCluster?: undefined;
}

export interface OfflineQuestion<Offline> extends Omit<Question<Offline>, 'offline'> {
  /** Why no cluster is asked it, as a sentence without its full stop. */
  offline: string;
}

export interface ClusterQuestion<InCluster> extends Omit<Question<InCluster>, 'inCluster'> {
  /** Why nobody but a cluster is asked it, as a sentence without its full stop. */
  inCluster: string;
}

/** Only for the types: a default export that the questions' context is inferred from. */
export const defineExercise = <C extends AsyncDisposable, Offline extends C = C, InCluster extends C = C>(
  exercise: Exercise<C, Offline, InCluster>,
): Exercise<C, Offline, InCluster> => exercise;

/** A question that cannot be asked here, with the reason. */
export class Unasked extends Error {}

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

/** For what takes a moment on an idle machine, and is waited for on a busy one. */
export const PATIENCE_MS = 45_000;

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
