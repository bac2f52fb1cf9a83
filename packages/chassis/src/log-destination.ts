import { constants, openSync, writeSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/** Lines that come closer together than this share a write; it is the longest that one waits. */
const INTERVAL_MS = 100;
/** A write at the latest when this much has gathered. */
const CHUNK_BYTES = 16 * 1024;
/** What may gather while nobody reads, some thousand lines. */
const MAX_WAITING_BYTES = 1024 * 1024;
/** After a write that did not fit: a reader at work is back in a moment, one that has stopped costs no CPU. */
const FIRST_RETRY_MS = 5;
const LAST_RETRY_MS = 200;

export interface LogDestination {
  write(line: string): void;
  /** Writes what has gathered, as far as that goes at once. */
  flushSync(): void;
  /** Waits until all is written, but no longer than that. */
  flush(timeoutMs: number): Promise<void>;
  /** Lines that nobody will ever read. */
  readonly dropped: number;
}

/**
 * Log lines to stdout, several in one write. Logging may fail, serving may not: a write never waits. With a reader that
 * has stopped (a paused terminal or pipe) lines gather up to a bound and are then dropped; with a full disk or a reader
 * that is gone they are dropped at once. `onRecovery` is told how many, as soon as one can be written again.
 */
export function openLogDestination(onRecovery: (dropped: number) => void): LogDestination {
  const fd = openStdout();
  let lines = '';
  let unwritten = Buffer.alloc(0);
  let timer: NodeJS.Timeout | undefined;
  let lastWrite = 0;
  let retryMs = 0;
  let dropped = 0;
  let reported = 0;

  const flushLater = (ms: number) => {
    timer = setTimeout(flushSync, ms).unref();
  };

  function flushSync(): void {
    clearTimeout(timer);
    timer = undefined;
    try {
      while (unwritten.length > 0 || lines !== '') {
        if (unwritten.length === 0) {
          unwritten = Buffer.from(lines);
          lines = '';
        }
        unwritten = unwritten.subarray(writeSync(fd, unwritten));
        retryMs = 0;
      }
      lastWrite = performance.now();
      if (dropped > reported) {
        const news = dropped - reported;
        reported = dropped;
        onRecovery(news);
      }
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'EAGAIN') {
        retryMs = Math.min(retryMs === 0 ? FIRST_RETRY_MS : retryMs * 2, LAST_RETRY_MS);
        flushLater(retryMs);
      } else {
        dropped += unwritten.toString().split('\n').length - 1;
        unwritten = Buffer.alloc(0);
      }
    }
  }

  return {
    write(line) {
      if (lines.length + unwritten.length > MAX_WAITING_BYTES) {
        dropped++;
        return;
      }
      lines += line;
      if (retryMs === 0 && lines.length >= CHUNK_BYTES) flushSync();
      else if (!timer) flushLater(Math.max(0, lastWrite + INTERVAL_MS - performance.now()));
    },
    flushSync,
    async flush(timeoutMs) {
      const deadline = performance.now() + timeoutMs;
      for (;;) {
        flushSync();
        if ((unwritten.length === 0 && lines === '') || performance.now() >= deadline) return;
        await sleep(FIRST_RETRY_MS);
      }
    },
    get dropped() {
      return dropped;
    },
  };
}

/** A descriptor of stdout that says EAGAIN instead of waiting for a reader. */
function openStdout(): number {
  if (!process.stdout.isTTY) return 1; // To have asked for `process.stdout` makes a pipe or socket so; files do not wait.
  // A terminal is shared with other processes, which its own flags must not change. Only Linux opens one anew by its descriptor.
  for (const path of process.platform === 'linux' ? ['/dev/fd/1', '/dev/tty'] : ['/dev/tty']) {
    try {
      return openSync(path, constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
    } catch {
      // It belongs to another user, or is not the terminal of this session.
    }
  }
  return 1;
}
