import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { request } from 'undici';

export interface Answer {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  text: string;
  json: unknown;
}

export interface Options {
  method?: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE' | 'OPTIONS';
  headers?: Record<string, string>;
  body?: string;
}

/** One request on a connection of its own. Redirects are answers like any other. */
export async function http(url: string, { method = 'GET', headers = {}, body }: Options = {}): Promise<Answer> {
  const answer = await request(url, { method, headers, body: body ?? null, reset: true });
  const content = await answer.body.text();
  return {
    status: answer.statusCode,
    headers: answer.headers,
    text: content,
    get json() {
      return JSON.parse(content);
    },
  };
}

/** The body of a form as a browser or `curl --data` sends it. */
export function form(fields: Record<string, string>): Options {
  return {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams(fields).toString(),
  };
}

/** The first cookie that an answer sets, as a browser sends it back. */
export function cookieOf({ headers }: Answer): string {
  return String(headers['set-cookie']).split(';')[0] ?? '';
}

/** Sends bytes that no HTTP client would, and reads until the server hangs up. */
export async function raw(port: number, bytes: string): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  socket.write(bytes);
  return text(socket);
}
