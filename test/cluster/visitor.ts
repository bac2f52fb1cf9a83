import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { expect } from 'vitest';

export interface Page {
  status: number;
  body: string;
  seconds: number;
  headers: Headers;
}

type Outcome = (page: Page) => string;
type Counts = Record<string, number>;

interface Crowd {
  headers?: Record<string, string> | undefined;
  path?: string;
  atATime?: number;
}

/** Somebody who asks for pages through a gateway. */
export class Visitor {
  readonly gateway: string;

  /** @param gateway URL without a path */
  constructor(gateway: string) {
    this.gateway = gateway;
  }

  /** One request. A connection that breaks is status 0. */
  async get(path = '/productpage', headers: Record<string, string> = {}, method = 'GET'): Promise<Page> {
    const start = performance.now();
    const seconds = () => (performance.now() - start) / 1000;
    try {
      const answer = await fetch(this.gateway + path, { method, headers, signal: AbortSignal.timeout(30_000) });
      return { status: answer.status, body: await answer.text(), seconds: seconds(), headers: answer.headers };
    } catch (error) {
      return { status: 0, body: String(error), seconds: seconds(), headers: new Headers() };
    }
  }

  /** Signs in, as `curl -c jar …/login --data "username=jason&passwd=password"` does; gives the cookie. */
  async signIn(username: string): Promise<Record<string, string>> {
    const answer = await fetch(`${this.gateway}/login`, {
      method: 'POST',
      body: new URLSearchParams({ username, passwd: 'password' }),
      redirect: 'manual',
    });
    const cookie = answer.headers.get('set-cookie')?.split(';')[0];
    if (answer.status !== 302 || !cookie) throw new Error(`signing in was answered ${answer.status}`);
    return { cookie };
  }

  /** Sends `n` requests, a few at a time, and counts the outcomes. */
  async tally(n: number, outcome: Outcome, { headers, path, atATime = 4 }: Crowd = {}): Promise<Counts> {
    const outcomes: Counts = {};
    let left = n;
    const one = async () => {
      while (left-- > 0) {
        const key = outcome(await this.get(path, headers));
        outcomes[key] = (outcomes[key] ?? 0) + 1;
      }
    };
    await Promise.all(Array.from({ length: atATime }, one));
    return outcomes;
  }

  /** Waits until every page is of one kind, which says that a new route has arrived everywhere. */
  async seesOnly(wanted: string, outcome: Outcome, headers?: Record<string, string>): Promise<void> {
    await expect.poll(() => this.tally(12, outcome, { headers })).toEqual({ [wanted]: 12 });
  }

  /** Checks the shares of a route that is new: `fresh` was not answered before, so its first answer tells of the route. */
  async seesShares(expected: Counts, outcome: Outcome, fresh: string): Promise<void> {
    await expect.poll(async () => outcome(await this.get())).toBe(fresh);
    const n = 300;
    const seen = await this.tally(n, outcome);
    expect(Object.keys(seen).filter((key) => !(key in expected))).toEqual([]);
    for (const [key, share] of Object.entries(expected))
      expect(plausible(seen[key] ?? 0, n, share), `${100 * share} % of ${key}: ${JSON.stringify(seen)}`).toBe(true);
  }
}

/** What `grep -c glyphicon-star` counts. */
export const stars = ({ body }: Page): number =>
  body.split('\n').filter((line) => line.includes('glyphicon-star')).length;

const notThePage = ({ status, body }: Page): string => `no page: ${status} ${body.slice(0, 60)}`;

/** The version of reviews that is named on the page, or what came instead. */
export const reviewsVersion: Outcome = (page) =>
  page.body.match(/Reviews served by: <strong>reviews-(v\d)-/)?.[1] ?? notThePage(page);

/** The version of productpage, or what came instead of the page: an error is no version. */
export function pageVersion(page: Page): string {
  if (page.status !== 200 || !page.body.includes('<title>Simple Bookstore App</title>')) return notThePage(page);
  return page.body.includes('productpage v2') ? 'v2' : 'v1';
}

/** What most lessons want of every page: 200, with nothing missing. */
export const health: Outcome = ({ status, body }) =>
  /Sorry, |Error fetching|currently unavailable/.test(body) ? `${status} with an error` : String(status);

export const status: Outcome = (page) => String(page.status);

export const traceOf = ({ body }: Page): string => body.match(/trace\/([0-9a-f]{32})/)?.[1] ?? '';

/** Whether `hits` of `n` may be chance for a share: both tails of the binomial distribution are above 1 in 10 000. */
export function plausible(hits: number, n: number, share: number): boolean {
  // From the thin end: 0.05 ** 300 is 0 to a computer.
  if (share > 0.5) return plausible(n - hits, n, 1 - share);
  let term = (1 - share) ** n;
  let below = 0;
  for (let k = 0; k < hits; k++) {
    below += term;
    term *= ((n - k) / (k + 1)) * (share / (1 - share));
  }
  return below + term > 1e-4 && 1 - below > 1e-4;
}

/** A port of this machine that leads to a Service, as long as it is used. */
export async function forward(service: string): Promise<AsyncDisposable & { url: string }> {
  const child = spawn('kubectl', ['port-forward', service, ':80'], { stdio: ['ignore', 'pipe', 'inherit'] });
  for await (const line of createInterface(child.stdout)) {
    const url = `http://127.0.0.1:${line.match(/127\.0\.0\.1:(\d+)/)?.[1]}`;
    return { url, [Symbol.asyncDispose]: async () => void child.kill() };
  }
  throw new Error(`${service} cannot be forwarded to`);
}
