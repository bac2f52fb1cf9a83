import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { useResource } from './service.ts';

/** How a stub treats a request. */
export type Behaviour = (response: ServerResponse, request: IncomingMessage) => void;

export interface Received {
  method: string;
  path: string;
  headers: IncomingHttpHeaders;
  rawHeaders: string[];
  /** Whether the client had the whole answer or hung up before. */
  end: Promise<'answered' | 'aborted'>;
}

/** A backend of our own: a real server that does what a test tells it to and remembers what it was asked. */
export interface Stub extends AsyncDisposable {
  port: number;
  received: Received[];
  behave(behaviour: Behaviour): void;
}

export async function openStub(behaviour: Behaviour): Promise<Stub> {
  let current = behaviour;
  const received: Received[] = [];
  const server = createServer((request, response) => {
    const { method = '', url = '', headers, rawHeaders } = request;
    const end = once(response, 'close').then(() => (response.writableFinished ? 'answered' : 'aborted'));
    received.push({ method, path: url, headers, rawHeaders, end });
    current(response, request);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    received,
    behave: (next) => {
      current = next;
    },
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
    },
  };
}

/** One stub for all tests of the surrounding `describe` or file. */
export const useStub = (behaviour: Behaviour): Stub => useResource(() => openStub(behaviour));

export const answers =
  (body: unknown, status = 200, headers: Record<string, string> = {}): Behaviour =>
  (response) =>
    response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));

export const answersText =
  (body: string, type = 'application/json'): Behaviour =>
  (response) =>
    response.writeHead(200, { 'content-type': type }).end(body);

/** As a proxy on the way refuses a request: in plain words, and without the headers of a service. */
export const refusesAsProxy =
  (status: number, words: string): Behaviour =>
  (response) =>
    response.writeHead(status, { 'content-type': 'text/plain' }).end(words);

export const answersAfter =
  (ms: number, body: unknown): Behaviour =>
  (response, request) =>
    void setTimeout(() => answers(body)(response, request), ms);

export const hangs: Behaviour = () => {};

export const resets: Behaviour = (_response, request) => request.socket.resetAndDestroy();

export const closesHalfway =
  (body: unknown): Behaviour =>
  (response) => {
    const text = JSON.stringify(body);
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': String(text.length) });
    response.write(text.slice(0, text.length / 2), () => response.destroy());
  };

/** A good answer that never comes to its end in time: one byte every 100 ms. */
export const answersByteByByte =
  (body: unknown): Behaviour =>
  (response) => {
    const bytes = [...JSON.stringify(body).padEnd(1000)];
    response.writeHead(200, { 'content-type': 'application/json' });
    const timer = setInterval(() => response.write(bytes.shift() ?? ' '), 100);
    response.on('close', () => clearInterval(timer));
  };

/** One behaviour for the first request and another one for all that follow. */
export const firstly = (first: Behaviour, then: Behaviour): Behaviour => {
  const left = [first];
  return (response, request) => (left.pop() ?? then)(response, request);
};
