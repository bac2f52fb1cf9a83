import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { kubectl, type Result, run } from './cluster.ts';
import { check, eventually, plausible } from './results.ts';
import { session } from './session.ts';

export interface Page {
  status: number;
  body: string;
  seconds: number;
  headers: Headers;
}

/** One request through the gateway. A connection that breaks is status 0. */
export async function get(path = '/productpage', headers: Record<string, string> = {}, method = 'GET'): Promise<Page> {
  if (session.interrupted) throw new Error('interrupted');
  const start = performance.now();
  const seconds = () => (performance.now() - start) / 1000;
  try {
    const answer = await fetch(session.gateway + path, { method, headers, signal: AbortSignal.timeout(30_000) });
    return { status: answer.status, body: await answer.text(), seconds: seconds(), headers: answer.headers };
  } catch (error) {
    return { status: 0, body: String(error), seconds: seconds(), headers: new Headers() };
  }
}

/** Signs in, as `curl -c jar …/login --data "username=jason&passwd=password"` does; gives the cookie. */
export async function signIn(username: string): Promise<Record<string, string>> {
  const answer = await fetch(`${session.gateway}/login`, {
    method: 'POST',
    body: new URLSearchParams({ username, passwd: 'password' }),
    redirect: 'manual',
  });
  const cookie = answer.headers.get('set-cookie')?.split(';')[0];
  if (answer.status !== 302 || !cookie) throw new Error(`signing in was answered ${answer.status}`);
  return { cookie };
}

/** What `grep -c glyphicon-star` counts. */
export const stars = ({ body }: Page): number =>
  body.split('\n').filter((line) => line.includes('glyphicon-star')).length;
export const reviewsVersion = ({ body }: Page): string =>
  body.match(/Reviews served by: <strong>reviews-(v\d)-/)?.[1] ?? '?';
export const pageVersion = ({ body }: Page): string => (body.includes('productpage v2') ? 'v2' : 'v1');
export const failed = ({ body }: Page): boolean => /Sorry, |Error fetching|currently unavailable/.test(body);
/** What most lessons want of every page: 200, with nothing missing. */
export const health = (page: Page): string => (failed(page) ? `${page.status} with an error` : String(page.status));
export const traceOf = ({ body }: Page): string => body.match(/trace\/([0-9a-f]{32})/)?.[1] ?? '';

/** Sends `n` requests, a few at a time, and counts the outcomes. */
export async function tally(
  n: number,
  outcome: (page: Page) => string,
  headers: Record<string, string> = {},
  path?: string,
  atATime = 4,
): Promise<Record<string, number>> {
  const outcomes: Record<string, number> = {};
  let left = n;
  const one = async () => {
    while (left-- > 0) {
      const key = outcome(await get(path, headers));
      outcomes[key] = (outcomes[key] ?? 0) + 1;
    }
  };
  await Promise.all(Array.from({ length: atATime }, one));
  return outcomes;
}

export const print = (outcomes: Record<string, number>): string =>
  Object.entries(outcomes)
    .sort()
    .map(([key, n]) => `${key} × ${n}`)
    .join(', ');

/** Waits until every page is of one kind, which says that a new route has arrived everywhere. */
export async function all(outcome: (page: Page) => string, wanted: string, headers = {}): Promise<void> {
  const outcomes = await eventually(
    () => tally(12, outcome, headers),
    (seen) => Object.keys(seen).join() === wanted,
  );
  check(Object.keys(outcomes).join() === wanted, `${wanted} every time: ${print(outcomes)}`);
}

/** Checks the shares of a route that is new: `version` was not answered before, so its first answer tells of the route. */
export async function shares(
  outcome: (page: Page) => string,
  expected: Record<string, number>,
  fresh: string,
): Promise<void> {
  await eventually(
    () => get(),
    (page) => outcome(page) === fresh,
  );
  const n = 300;
  const outcomes = await tally(n, outcome);
  const fits = Object.entries(expected).every(([version, share]) => plausible(outcomes[version] ?? 0, n, share));
  const wanted = Object.entries(expected).map(([version, share]) => `${version} ${Math.round(share * 100)} %`);
  check(
    fits && Object.keys(outcomes).every((version) => version in expected),
    `${wanted.join(', ')}: ${print(outcomes)}`,
  );
}

/** What a program in a pod is answered: status and body, or why there was no answer. */
export async function ask(deployment: string, url: string, method = 'GET', namespace = 'default'): Promise<string> {
  const script = `fetch('http://${url}', { method: '${method}', signal: AbortSignal.timeout(9000) })
    .then(async (answer) => console.log(answer.status, await answer.text()), (error) => console.log(error.cause?.code ?? error.name))`;
  const container = deployment.split('-')[0] ?? '';
  const pod = ['exec', `deployment/${deployment}`, `--container=${container}`, `--namespace=${namespace}`];
  return (await kubectl([...pod, '--', 'node', '--eval', script])).trim();
}

/** Waits for an answer that starts as wanted, and checks it. */
export async function answers(wanted: string, what: string, attempt: () => Promise<string>): Promise<void> {
  const answer = await eventually(attempt, (text) => text.startsWith(wanted), 30);
  check(answer.startsWith(wanted), `${what}: ${answer.split('\n')[0]?.slice(0, 60)}`);
}

/** Runs something while a pod without a sidecar is there to send requests from; `curl` gives exit code and output. */
export async function withoutSidecar(use: (curl: (url: string) => Promise<Result>) => Promise<void>): Promise<void> {
  const remove = () => kubectl(['delete', 'pod', 'plain', '--ignore-not-found', '--grace-period=1']);
  await remove();
  const options = ['--image=bookinfo-ts/ratings:1.0.0', '--labels=sidecar.istio.io/inject=false', '--restart=Never'];
  await kubectl(['run', 'plain', ...options, '--command', '--', 'sleep', '600']);
  try {
    await kubectl(['wait', '--for=condition=Ready', 'pod/plain', '--timeout=60s']);
    const curl = ['exec', 'plain', '--', 'curl', '-sS', '-m', '5', '-o', '/dev/null', '-w', '%{http_code}'];
    await use((url) => run('kubectl', [...curl, url]));
  } finally {
    await remove();
  }
}

/** The same gateway requests, through a port-forward to another Service. */
export async function throughForward(service: string, use: () => Promise<void>): Promise<void> {
  const child = spawn('kubectl', ['port-forward', service, ':80'], { stdio: ['ignore', 'pipe', 'inherit'] });
  const before = session.gateway;
  try {
    for await (const line of createInterface(child.stdout)) {
      session.gateway = `http://127.0.0.1:${line.match(/127\.0\.0\.1:(\d+)/)?.[1]}`;
      break;
    }
    await use();
  } finally {
    session.gateway = before;
    child.kill();
  }
}
