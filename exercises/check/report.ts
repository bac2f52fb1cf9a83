import { styleText } from 'node:util';
import { execa } from 'execa';
import { type Exercise, Finding, type FindingWords, type OpenOptions, Unasked } from './exercise.ts';

export interface Asked {
  question: string;
  passed: boolean;
  /** Why it was not asked here; it has not passed, then, and not failed. */
  skipped?: string;
  finding?: FindingWords;
}

export interface Report {
  exercise: string;
  /** No question has failed. */
  passed: boolean;
  questions: Asked[];
}

/** The program that the check of an exercise needs, when it is not on the PATH. */
export async function missingProgram({ needs }: Exercise): Promise<string | undefined> {
  if (needs === undefined) return undefined;
  const { code } = await execa(needs, ['--version'], { reject: false });
  return code === 'ENOENT' ? needs : undefined;
}

/**
 * Asks the questions of an exercise of the tree at this path. Whatever it started is gone when it returns.
 * @throws the signal's reason when it is aborted; what is no `Finding` is a mistake of ours
 */
export async function check(name: string, exercise: Exercise, tree: string, options: OpenOptions): Promise<Report> {
  const questions: Asked[] = [];
  const { signal } = options;
  // A question that waits for ever does not keep Ctrl-C waiting.
  const aborted = new Promise<never>((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
  aborted.catch(() => {});
  const attempt = async (question: string, work: () => Promise<void>) => {
    try {
      await Promise.race([work(), aborted]);
      questions.push({ question, passed: true });
      return true;
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof Unasked) {
        questions.push({ question, passed: false, skipped: error.message });
        return true;
      }
      if (!(error instanceof Finding)) throw error;
      questions.push({ question, passed: false, finding: error.finding });
      return false;
    }
  };
  const opened = await open(exercise, tree, options);
  if (opened instanceof Finding) {
    questions.push({ question: 'What the exercise needs starts', passed: false, finding: opened.finding });
  } else {
    await using context = opened;
    for (const { name: question, ask, offline, inCluster } of exercise.questions) {
      const elsewhere = options.cluster ? offline : inCluster;
      const work = async () => {
        if (elsewhere) throw new Unasked(elsewhere);
        await ask(context);
      };
      if (!(await attempt(question, work)) && !exercise.goOn) break;
    }
  }
  return { exercise: name, passed: !questions.some(({ finding }) => finding), questions };
}

async function open(exercise: Exercise, tree: string, options: OpenOptions): Promise<AsyncDisposable | Finding> {
  try {
    const { signal, cluster } = options;
    if (cluster && exercise.openInCluster) return await exercise.openInCluster(tree, { signal, cluster });
    return await exercise.open(tree, options);
  } catch (error) {
    options.signal.throwIfAborted();
    if (error instanceof Finding) return error;
    throw error;
  }
}

/** Of a challenge: the symptom at first, where to look at the second failure, the cause at the third. */
export function disclose({ questions, ...report }: Report, failures: number): Report {
  const shown = ({ expected, seen, look, cause }: FindingWords): FindingWords => ({
    expected,
    seen,
    ...(look !== undefined && failures >= 2 && { look }),
    ...(cause !== undefined && failures >= 3 && { cause }),
  });
  return { ...report, questions: questions.map((it) => (it.finding ? { ...it, finding: shown(it.finding) } : it)) };
}

/** A report for people. */
export function render({ exercise, passed, questions }: Report, total: number): string {
  const lines = questions.flatMap(({ question, passed, skipped, finding }) => [
    `${passed ? styleText('green', '✓') : skipped ? styleText('dim', '–') : styleText('red', '✗')} ${question}`,
    ...(skipped ? [`    ${styleText('dim', 'not asked'.padEnd(10))}${skipped}`] : []),
    ...(finding
      ? (
          [
            ['expected', finding.expected],
            ['seen', finding.seen],
            ['likely', finding.cause],
            ['look at', finding.look],
          ] as const
        ).flatMap(([label, words]) =>
          words === undefined
            ? []
            : [`    ${styleText('dim', label.padEnd(9))}${words.replaceAll('\n', `\n${' '.repeat(13)}`)}`],
        )
      : []),
  ]);
  const good = questions.filter((it) => it.passed).length;
  const solved = good === total ? 'solved' : `solved, as far as it was asked: ${total - good} of ${total} not here`;
  const sum = passed ? styleText('green', solved) : `${good} of ${total} hold`;
  return [...lines, '', `${styleText('bold', exercise)}: ${sum}`].join('\n');
}
