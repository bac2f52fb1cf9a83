import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { execa } from 'execa';
import { ROOT } from '../manifests/load.ts';

/** What a call is answered whose arguments fit the pattern, in which `*` is anything; an object is printed as JSON. */
export type Answers = Record<string, object | string | { exit: number; stderr: string }>;

const quoted = (text: string): string => `'${text.replaceAll("'", String.raw`'\''`)}'`;

/** Programs that answer from a table, in place of all others: what is not in it is not installed. */
export class StubPrograms implements AsyncDisposable {
  readonly folder: string;

  private constructor(folder: string) {
    this.folder = folder;
  }

  static async create(programs: Record<string, Answers>): Promise<StubPrograms> {
    const stubs = new StubPrograms(await mkdtemp(join(tmpdir(), 'bookinfo-stubs-')));
    for (const [name, answers] of Object.entries(programs)) await stubs.add(name, answers);
    return stubs;
  }

  /** The first pattern that fits counts; nothing else is answered, with exit code 1. */
  async add(program: string, answers: Answers): Promise<void> {
    const cases = Object.entries(answers).map(([words, answer]) => {
      const pattern = words.split('*').map(quoted).join('*');
      if (typeof answer === 'object' && 'exit' in answer)
        return `${pattern}) echo ${quoted(answer.stderr)} >&2; exit ${answer.exit};;`;
      return `${pattern}) printf %s ${quoted(typeof answer === 'string' ? answer : JSON.stringify(answer))};;`;
    });
    const script = [
      '#!/bin/sh',
      `echo ${program} "$@" >> ${quoted(join(this.folder, 'calls'))}`,
      'case "$*" in',
      ...cases,
      `*) echo "nothing is known of: ${program} $*" >&2; exit 1;;`,
      'esac',
    ];
    const file = join(this.folder, program);
    await writeFile(file, `${script.join('\n')}\n`);
    await chmod(file, 0o755);
  }

  /** `npx pnpm@12 lab …`, with these programs and Node alone. */
  lab(args: string[], env: Record<string, string> = {}) {
    const PATH = `${this.folder}:${dirname(process.execPath)}`;
    return execa(process.execPath, [join(ROOT, 'lab/main.ts'), ...args], {
      reject: false,
      extendEnv: false,
      env: { PATH, HOME: this.folder, ...env },
    });
  }

  /** Every call, a line each, in its order. */
  async calls(): Promise<string[]> {
    return (await readFile(join(this.folder, 'calls'), 'utf8').catch(() => '')).split('\n').filter(Boolean);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.folder, { recursive: true });
  }
}
