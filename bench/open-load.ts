/**
 * Asks for one URL at a fixed rate, whatever is answered, as people do: `node bench/open-load.ts URL RATE SECONDS`.
 * A latency counts from when its request was due, so that the queue in front of an overloaded server is part of it.
 * Prints JSON: how many were answered with 200, per second, and percentiles of these in milliseconds.
 */
import { Agent, get } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';

/** As many as a proxy in front of the page may keep open. */
const CONNECTIONS = 1024;

const [url = '', rate, seconds] = process.argv.slice(2);
const total = Number(rate) * Number(seconds);
const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS });
const latencies: number[] = [];
let pending = 0;

const start = performance.now();
for (let sent = 0; sent < total; ) {
  const elapsed = performance.now() - start;
  for (; sent < Math.min(total, (elapsed / 1000) * Number(rate)); sent++) ask(start + (sent * 1000) / Number(rate));
  await sleep(1);
}
const loaded = performance.now();
while (pending > 0) await sleep(10);

latencies.sort((a, b) => a - b);
const percentile = (p: number) => Math.round(latencies[Math.floor(p * latencies.length)] ?? Number.NaN);
const perSecond = (latencies.length * 1000) / (loaded - start);
console.log(JSON.stringify({ requests: latencies.length, perSecond, p50: percentile(0.5), p99: percentile(0.99) }));
agent.destroy();

function ask(due: number): void {
  pending++;
  let isGood = false;
  const request = get(url, { agent }, (response) => {
    response.resume().on('end', () => {
      isGood = response.statusCode === 200;
    });
  });
  request.on('error', () => {});
  request.on('close', () => {
    pending--;
    if (isGood) latencies.push(performance.now() - due);
  });
}
