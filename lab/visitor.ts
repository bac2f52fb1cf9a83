/** Somebody who asks for pages, and what there is to see on them. */
import { request } from 'undici';
import { Obstacle } from './obstacle.ts';

export interface Page {
  /** 0: the connection broke, or nothing came within 30 s; `body` says what. */
  status: number;
  body: string;
  seconds: number;
  headers: Readonly<Record<string, string | string[] | undefined>>;
}

export type Headers = Record<string, string>;
export type Counts = Record<string, number>;

export interface Wish {
  path?: string;
  headers?: Headers;
  method?: string;
  /** Of a form; makes it a POST. */
  form?: Record<string, string>;
  /** Aborted: nobody waits for the answer any more. */
  signal?: AbortSignal;
}

const TIMEOUT_MS = 30_000;

export class Visitor {
  readonly url: string;

  /** @param url where productpage or a gateway answers, without a path */
  constructor(url: string) {
    this.url = url;
  }

  /** One request on a connection of its own, as curl makes it: a connection that stays open keeps old rules and an old pod. */
  async get({
    path = '/productpage',
    headers = {},
    form,
    method = form ? 'POST' : 'GET',
    signal,
  }: Wish = {}): Promise<Page> {
    const start = performance.now();
    const seconds = () => (performance.now() - start) / 1000;
    try {
      const answer = await request(this.url + path, {
        method: method as 'GET',
        headers: { ...headers, ...(form && { 'content-type': 'application/x-www-form-urlencoded' }) },
        ...(form && { body: new URLSearchParams(form).toString() }),
        reset: true,
        signal: AbortSignal.any([AbortSignal.timeout(TIMEOUT_MS), ...(signal ? [signal] : [])]),
      });
      const body = await answer.body.text();
      return { status: answer.statusCode, body, seconds: seconds(), headers: answer.headers };
    } catch (error) {
      return { status: 0, body: String(error), seconds: seconds(), headers: {} };
    }
  }

  /**
   * Signs in, as `curl -c jar …/login --data "username=jason&passwd=password"` does; gives the cookie.
   * @throws {Obstacle} when the answer is not that of productpage
   */
  async signIn(username: string): Promise<Headers> {
    const { status, headers } = await this.get({ path: '/login', form: { username, passwd: 'password' } });
    const cookie = [headers['set-cookie']].flat()[0]?.split(';')[0];
    if (status === 302 && cookie) return { cookie };
    throw new Obstacle(
      `Signing in at ${this.url}/login is answered ${status || 'by nobody'}`,
      `npx pnpm@12 lab explain POST http://localhost/login`,
    );
  }

  /** Asks `n` times, a few at a time. */
  async ask(n: number, wish: Wish = {}, atATime = 4): Promise<Page[]> {
    const pages: Page[] = [];
    let left = n;
    const one = async () => {
      while (left-- > 0) pages.push(await this.get(wish));
    };
    await Promise.all(Array.from({ length: Math.min(n, atATime) }, one));
    return pages;
  }

  /** Asks `n` times, and counts what is seen. */
  async tally(n: number, look: Look, wish: Wish = {}, atATime?: number): Promise<Counts> {
    return count((await this.ask(n, wish, atATime)).map(look));
  }
}

export const count = (seen: string[]): Counts =>
  Object.fromEntries([...Map.groupBy(seen, (it) => it)].map(([kind, all]) => [kind, all.length]));

/** `150 × 200, 2 × 503` */
export const listed = (counts: Counts): string =>
  Object.entries(counts)
    .map(([kind, hits]) => `${hits} × ${kind}`)
    .join(', ');

/** What somebody looks at on a page, in a few words. */
export type Look = (page: Page) => string;

/** What `grep -c glyphicon-star` counts. */
export const stars = ({ body }: Page): number =>
  body.split('\n').filter((line) => line.includes('glyphicon-star')).length;

const TITLE = '<title>Simple Bookstore App</title>';
const isPage = ({ status, body }: Page): boolean => status === 200 && body.includes(TITLE);
const instead: Look = ({ status, body }) =>
  status === 0 ? 'no answer' : status === 200 ? `not the page: ${body.slice(0, 60)}` : String(status);

/** The pod named under the reviews; undefined when there are none. */
export const reviewsPod = ({ body }: Page): string | undefined =>
  body.match(/Reviews served by: <strong>([^<]+)<\/strong>/)?.[1];

/** The version of reviews that is named on the page, or what came instead. */
export const reviewsVersion: Look = (page) =>
  reviewsPod(page)?.match(/^reviews-(v\d+)/)?.[1] ?? (isPage(page) ? 'no reviews' : instead(page));

/** The version of productpage, or what came instead of the page: an error is no version. */
export const pageVersion: Look = (page) =>
  isPage(page) ? (page.body.includes('productpage v2') ? 'productpage v2' : 'productpage v1') : instead(page);

/** What is on the page, in a few words: `v2, black stars`, `v3, no ratings`, `no reviews`, `v1, no stars, no details`, `404`. */
export const content: Look = (page) => {
  if (!isPage(page)) return instead(page);
  const colour = page.body.match(/class="stars" data-color="(\w+)"/)?.[1];
  const rated = page.body.includes('Ratings service is currently unavailable')
    ? 'no ratings'
    : `${colour ?? 'no'} stars`;
  return [
    reviewsVersion(page),
    ...(reviewsPod(page) ? [rated] : []),
    ...(page.body.includes('Error fetching product details') ? ['no details'] : []),
  ].join(', ');
};

/** What most lessons want of every page: 200, with nothing missing. */
export const health: Look = (page) =>
  /Sorry, |Error fetching|currently unavailable/.test(page.body)
    ? `${page.status} with an error`
    : isPage(page)
      ? '200'
      : instead(page);

export const status: Look = ({ status }) => (status === 0 ? 'no answer' : String(status));

/** The id of the page's trace, 32 digits; undefined when nothing traces. */
export const traceOf = ({ body }: Page): string | undefined => body.match(/trace\/([0-9a-f]{32})/)?.[1];
