import { Agent, createServer, type IncomingHttpHeaders, request as send } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';

/** One request that has passed a link, with what became of it. */
export interface Passed {
  method: string;
  path: string;
  headers: IncomingHttpHeaders;
  body: string;
  /** Of the answer that the service gave; absent while it has given none. */
  status?: number;
  /** The workload that answered: `x-pod-name`, which in a shop is the workload's name. */
  servedBy?: string;
}

/**
 * What happens to a request on its way:
 * `pass`; `refuse`: it never arrives, the connection breaks; `cut`: it arrives and is worked on, the answer is lost;
 * `repeat`: it arrives twice, the first answer counts; or it is delayed by so many ms; or answered by the link itself.
 */
export type Fate = 'pass' | 'refuse' | 'cut' | 'repeat' | { delayMs: number } | { status: number; body?: unknown };

export interface Link extends AsyncDisposable {
  /** Where the caller finds the service. */
  port: number;
  /** Every request since it opened, or since this was emptied (`passed.length = 0`), in order of arrival. */
  passed: Passed[];
  /** The most requests that were under way at once; may be set to 0. */
  peak: number;
  /** Decides on each request; `pass` for all by default. May be replaced at any time. */
  fate(request: Passed): Fate;
}

/**
 * One hop between two services: a proxy on loopback. `targets` are the ports of the processes that may answer, taken in
 * turn request by request; with none of them it hangs up, as the way to a service that is away does.
 */
export async function openLink(targets: () => readonly number[]): Promise<Link> {
  const agent = new Agent({ keepAlive: true });
  let turn = 0;
  let underWay = 0;
  const server = createServer(async (incoming, outgoing) => {
    const { method = 'GET', url: path = '/', headers } = incoming;
    const passed: Passed = { method, path, headers, body: (await buffer(incoming)).toString() };
    link.passed.push(passed);
    link.peak = Math.max(link.peak, ++underWay);
    outgoing.on('close', () => underWay--);
    const fate = link.fate(passed);
    if (fate === 'refuse') return incoming.socket.destroy();
    if (typeof fate === 'object' && 'status' in fate) {
      outgoing.writeHead(fate.status, { 'content-type': 'application/json' });
      return outgoing.end(JSON.stringify(fate.body ?? { error: `made on the way: ${fate.status}` }));
    }
    const forward = () => {
      const ports = targets();
      const port = ports[turn++ % ports.length];
      if (port === undefined) return incoming.socket.destroy();
      const upstream = send({ host: '127.0.0.1', port, method, path, headers, agent }, (answer) => {
        if (passed.status !== undefined) return answer.resume();
        passed.status = answer.statusCode ?? 0;
        const pod = answer.headers['x-pod-name'];
        if (typeof pod === 'string') passed.servedBy = pod;
        if (fate === 'cut') return answer.resume().on('end', () => incoming.socket.destroy());
        outgoing.writeHead(passed.status, answer.rawHeaders);
        return answer.pipe(outgoing).on('error', () => answer.destroy());
      });
      upstream.on('error', () => incoming.socket.destroy());
      // A caller that gives up does so at the service, too; the second of two is nobody's.
      if (fate !== 'cut' && fate !== 'repeat') outgoing.on('close', () => upstream.destroy());
      return upstream.end(passed.body);
    };
    if (fate === 'repeat') forward();
    if (typeof fate === 'object') setTimeout(forward, fate.delayMs).unref();
    else forward();
    return undefined;
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const link: Link = {
    port: (server.address() as AddressInfo).port,
    passed: [],
    peak: 0,
    fate: () => 'pass',
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
      agent.destroy();
    },
  };
  return link;
}

/** What a link does while `work` is done. */
export async function meanwhile<T>(link: Pick<Link, 'fate'>, fate: Link['fate'], work: () => Promise<T>): Promise<T> {
  const before = link.fate;
  link.fate = fate;
  try {
    return await work();
  } finally {
    link.fate = before;
  }
}
