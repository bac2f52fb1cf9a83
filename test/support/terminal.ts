/** A shell in a terminal: where somebody types, some things are otherwise than in a script. */
import { spawn } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { stripVTControlCharacters } from 'node:util';

/** Interactive, with nobody's settings, and without an editor of lines, which would repeat what is typed. */
const SHELLS = {
  bash: 'bash --norc --noprofile --noediting -i',
  zsh: 'zsh -f -i +Z -o NO_PROMPT_SP -o NO_PROMPT_CR',
};
export type Shell = keyof typeof SHELLS;

/** For a command, and for the rest of one: what no program prints. */
const PROMPT = '\x1e';
/** What a shell says of a job; bash repeats the loop that it was. */
const JOB = /^\[\d+\].*\n((do|done.*| {4}.*)\n)*/gm;
const LINE_START = '\x1b[1G';
const CTRL_C = '\x03';

export class Terminal implements AsyncDisposable {
  readonly #window;
  readonly #arrived = new EventEmitter();
  #printed = '';

  constructor(shell: Shell, cwd: string, env: NodeJS.ProcessEnv) {
    // Node has no terminals to give, Python has. When it ends the terminal closes, and whatever runs there is hung up.
    const open = ['-c', 'import pty, sys; pty.spawn(sys.argv[1:])'];
    this.#window = spawn(
      'python3',
      [...open, 'sh', '-c', `stty -echo cols 200; PS1=${PROMPT} PS2=${PROMPT} exec ${SHELLS[shell]}`],
      {
        cwd,
        env: { ...env, HISTFILE: '/dev/null', NO_COLOR: '1' },
        stdio: ['pipe', 'pipe', 'inherit'],
      },
    );
    this.#window.stdout.setEncoding('utf8').on('data', (text: string) => {
      this.#printed += text;
      this.#arrived.emit('more');
    });
  }

  /** Waits for the prompt; a question is answered with yes. Gives what was printed before it. */
  async prompt(seconds: number): Promise<string> {
    const signal = AbortSignal.timeout(seconds * 1000);
    let answered = false;
    while (!this.#printed.includes(PROMPT)) {
      if (!answered && stripVTControlCharacters(this.#printed).endsWith('[y/N] ')) {
        answered = true;
        this.#window.stdin.write('y\n');
      }
      await once(this.#arrived, 'more', { signal }).catch(() => {
        throw new Error(`no prompt after ${seconds} s, but:\n${this.#printed}`);
      });
    }
    const [before = ''] = this.#printed.split(PROMPT);
    // Of a line that was written over the last state, as a terminal shows it.
    const lines = before.replaceAll('\r\n', '\n').replaceAll(LINE_START, '\r').replace(/^.*\r/gm, '');
    return stripVTControlCharacters(lines).replace(JOB, '');
  }

  /** Types a line, and does not wait. */
  start(line: string): void {
    this.#printed = '';
    this.#window.stdin.write(`${line}\n`);
  }

  /**
   * Ctrl-C. What was typed just before it may be dropped unread, and then a shell says nothing: a second one comes with Enter,
   * for which there is a prompt.
   */
  async interrupt(): Promise<string> {
    this.#printed = '';
    for (let time = 1; ; time++) {
      this.#window.stdin.write(time === 1 ? CTRL_C : `${CTRL_C}\n`);
      try {
        return await this.prompt(5);
      } catch (error) {
        if (time === 3) throw error;
      }
    }
  }

  /** Types a line, and gives what is printed until the shell wants another. */
  async type(line: string, seconds: number): Promise<string> {
    this.start(line);
    try {
      return await this.prompt(seconds);
    } catch (error) {
      await this.interrupt();
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = once(this.#window, 'exit');
    if (this.#window.exitCode !== null || !this.#window.kill()) return;
    await ended;
  }
}
