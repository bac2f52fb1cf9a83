/**
 * A server with the mistake that its argument names, to see that the fuzzer finds it:
 * `node test/fuzz/broken-server.ts leak`. It prints its port.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTcpServer, type Server } from 'node:net';
import { buffer } from 'node:stream/consumers';

const kept: Buffer[] = [];
let requests = 0;

const answer = (response: ServerResponse, status: number, body: object) =>
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));

/** What goes wrong with every fifth request. */
const MISTAKES: Record<string, (request: IncomingMessage, response: ServerResponse) => unknown> = {
  none: (_request, response) => answer(response, 200, {}),
  crash: () => process.exit(3),
  hang: () => {},
  'undefined 5xx': (_request, response) => answer(response, 500, { error: 'Internal server error' }),
  'leaked secret': ({ headers }, response) => answer(response, 400, { error: `who is ${JSON.stringify(headers)}?` }),
  'logged secret': ({ headers, url }, response) => {
    console.log(JSON.stringify({ url, headers }));
    answer(response, 200, {});
  },
  'leaked stack': (_request, response) => answer(response, 400, { error: new Error('oh').stack }),
  shape: (_request, response) => response.writeHead(400).end('<h1>Bad request</h1>'),
  growth: (_request, response) => {
    kept.push(Buffer.alloc(30 * 2 ** 20, 1));
    answer(response, 200, {});
  },
};

const mistake = process.argv[2] ?? 'none';
const server = mistake === 'smuggling' ? naive() : careful();
server.listen(0, '127.0.0.1', () => console.log(`port ${(server.address() as { port: number }).port}`));

function careful(): Server {
  const handle = async (request: IncomingMessage, response: ServerResponse) => {
    if (request.url === '/metrics') {
      response.end(`process_resident_memory_bytes ${process.memoryUsage.rss()}\n`);
      return;
    }
    await buffer(request).catch(() => {});
    requests++;
    const go = requests % 5 === 0 || mistake.endsWith('secret') ? MISTAKES[mistake] : MISTAKES.none;
    go?.(request, response);
  };
  const times = { requestTimeout: 2000, connectionsCheckingInterval: 500 };
  return createServer({ requireHostHeader: false, ...times }, handle)
    .on('checkExpectation', handle)
    .on('clientError', (_error, socket) => {
      socket.end('HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 16\r\n\r\n{"error":"what"}');
    });
}

/** Reads a request wherever there is something that looks like one, whatever the framing says. */
function naive(): Server {
  return createTcpServer((socket) => {
    socket.on('error', () => {});
    socket.on('data', (data) => {
      for (const request of String(data).split(/(?=GET |POST )/)) {
        const id = /^x-request-id: (\S+)/m.exec(request)?.[1] ?? 'none';
        socket.write(`HTTP/1.1 200 OK\r\nx-request-id: ${id}\r\ncontent-length: 0\r\n\r\n`);
      }
    });
  });
}
