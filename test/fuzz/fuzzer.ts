import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Case, casesOf, PLANTED, SMUGGLED } from './cases.ts';

export interface Target {
  port: number;
  /** Settles when the process has ended. */
  exit: Promise<unknown>;
  /** What the process, and those behind it, have printed; taken away when it has been looked at. */
  lines: string[];
}

export interface Options {
  routes: readonly string[];
  seed: number;
  requests: number;
  /** How long an answer may take; longer than the 30 s that a request has to come in. */
  patienceMs?: number;
  /** By how much the process may have grown at the end. */
  growthMiB?: number;
  onProgress?(done: number): void;
}

export interface Finding {
  /** What is wrong. */
  what: 'crash' | 'hang' | 'undefined 5xx' | 'leak' | 'smuggling' | 'shape' | 'growth';
  detail: string;
}

export interface Report {
  requests: number;
  seconds: number;
  /** How many answers had this status; `closed` for none. */
  statuses: Record<string, number>;
  /** Resident memory of the process, after the first requests and after the last. */
  memoryMiB: [before: number, after: number];
  findings: Finding[];
}

const CONCURRENCY = 16;
/** Generated at once. */
const BATCH = 100;
/** Patience is counted in so many steps: one that comes late is still one, so nobody loses it while this process gets no CPU. */
const PATIENCE_STEPS = 50;
/** An answer is over when nothing has come for so long and the connection stays open. */
const QUIET_MS = 100;
const MAX_FINDINGS = 20;

/** What services say on purpose with a status of 5xx. */
const DEFINED_5XX =
  /^\{"error":"(Sorry, product \w+ are currently unavailable for this book\.|Too many requests in progress|Post not implemented[^"]*|Service unavailable)"/;
/** A stack, or where the code is. */
const INTERNALS = /\n\s+at |\.[cm]?[jt]s:\d+|node_modules|file:\/\/|\/services\/\w+\/src/;

/** Sends requests, good and broken, each on a connection of its own, and looks at what comes back and what is logged. */
export async function fuzz(target: Target, options: Options): Promise<Report> {
  const { routes, seed, requests, patienceMs = 45_000, growthMiB = 100 } = options;
  const findings: Finding[] = [];
  const statuses: Record<string, number> = {};
  const began = performance.now();
  let before = 0;
  let isGone = false;
  void target.exit.then(() => {
    isGone = true;
  });

  const find = (what: Finding['what'], detail: string) => {
    if (findings.length < MAX_FINDINGS) findings.push({ what, detail });
  };
  const look = async (one: Case) => {
    const answer = await send(target.port, one, patienceMs);
    const sent = JSON.stringify(one.bytes.toString('latin1').slice(0, 300));
    if (answer === undefined) {
      find('hang', sent);
      return;
    }
    for (const { status, head, body } of answersIn(answer)) {
      statuses[status] = (statuses[status] ?? 0) + 1;
      if (status >= 500 && body !== '' && !DEFINED_5XX.test(body))
        find('undefined 5xx', `${status} ${body.slice(0, 200)} to ${sent}`);
      if (status >= 400 && body !== '' && !isError(body)) find('shape', `${status} ${body.slice(0, 200)} to ${sent}`);
      if (head.includes(SMUGGLED)) find('smuggling', sent);
    }
    if (answer === '') statuses.closed = (statuses.closed ?? 0) + 1;
    if (answer.includes(PLANTED)) find('leak', `a secret, answered to ${sent}`);
    if (INTERNALS.test(answer)) find('leak', `${INTERNALS.exec(answer)?.[0]}, answered to ${sent}`);
  };

  const lookAtLog = () => {
    for (const line of target.lines.splice(0)) {
      if (line.includes(PLANTED)) find('leak', `a secret, logged: ${line.slice(0, 300)}`);
      if (line.includes(`"request_id":"${SMUGGLED}"`)) find('smuggling', `logged: ${line.slice(0, 300)}`);
    }
  };

  const cases = allCases(routes, seed, requests);
  let done = 0;
  await Promise.all(
    Array.from({ length: CONCURRENCY }, async () => {
      for (let next = cases.next(); !next.done; next = cases.next()) {
        if (isGone || findings.length === MAX_FINDINGS) return;
        await look(next.value);
        if (++done % BATCH > 0) continue;
        lookAtLog();
        options.onProgress?.(done);
        if (done === BATCH && !isGone) before = await memoryOf(target.port);
      }
    }),
  );
  lookAtLog();

  const after = isGone ? 0 : await memoryOf(target.port);
  if (isGone) find('crash', `ended with ${await target.exit}`);
  if (after - before > growthMiB) find('growth', `from ${before.toFixed()} to ${after.toFixed()} MiB`);
  const seconds = (performance.now() - began) / 1000;
  return { requests, seconds, statuses, memoryMiB: [before, after], findings };
}

function* allCases(routes: readonly string[], seed: number, count: number): Generator<Case, void> {
  for (let made = 0; made < count; made += BATCH) yield* casesOf(routes, seed + made, Math.min(BATCH, count - made));
}

/** What comes back until the connection ends or falls quiet; undefined when nothing does although something is owed. */
function send(port: number, { bytes, isWhole }: Case, patienceMs: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    let received = '';
    let isOver = false;
    const socket = connect(port, '127.0.0.1').setEncoding('latin1');
    const end = () => {
      isOver = true;
      socket.destroy();
    };
    let quiet: NodeJS.Timeout | undefined;
    const wait = () => {
      clearTimeout(quiet);
      quiet = setTimeout(end, QUIET_MS);
    };
    if (!isWhole) wait();
    let steps = 0;
    const patience = setInterval(() => {
      if (++steps === PATIENCE_STEPS) socket.destroy();
    }, patienceMs / PATIENCE_STEPS);
    socket.on('error', end);
    socket.on('end', end);
    socket.on('data', (data) => {
      received += data;
      wait();
    });
    socket.on('close', () => {
      clearTimeout(quiet);
      clearInterval(patience);
      resolve(isOver || received !== '' ? received : undefined);
    });
    socket.write(bytes);
  });
}

interface Answer {
  status: number;
  head: string;
  body: string;
}

/** Several, when what was sent was read as several requests. */
function answersIn(received: string): Answer[] {
  const parts = received.split(/(?=HTTP\/1\.1 \d{3} )/);
  return parts.flatMap((part) => {
    const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(part)?.[1]);
    const [head = '', ...body] = part.split('\r\n\r\n');
    return status >= 200 ? [{ status, head, body: body.join('\r\n\r\n') }] : [];
  });
}

function isError(body: string): boolean {
  try {
    return typeof JSON.parse(body).error === 'string';
  } catch {
    return false;
  }
}

/** The least of a few looks, as garbage comes and goes. */
async function memoryOf(port: number): Promise<number> {
  let least = Number.POSITIVE_INFINITY;
  for (let look = 0; look < 3; look++) {
    const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
    least = Math.min(least, Number(/^process_resident_memory_bytes (\S+)/m.exec(text)?.[1] ?? 0) / 2 ** 20);
    await sleep(200);
  }
  return least;
}
