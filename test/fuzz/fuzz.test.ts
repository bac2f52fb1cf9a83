import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { SERVICES } from '../../local/workloads.ts';
import { KNOWN } from '../services/known.ts';
import { useResource } from '../support/service.ts';
import { casesOf } from './cases.ts';
import { fuzz, type Target } from './fuzzer.ts';
import { startTargets } from './target.ts';

/** One of which no request takes the whole 30 s that it has to come in. */
const SEED = 139_000;

describe('a service', () => {
  const targets = useResource(startTargets);

  test.each(SERVICES)('%s withstands some hundred requests that nobody should send', async (service) => {
    const routes = [KNOWN[service].route, ...Object.keys(KNOWN[service].routes)];
    const { findings, statuses } = await fuzz(targets[service], { routes, seed: SEED, requests: 400 });
    expect(findings).toEqual([]);
    expect(Object.keys(statuses)).toEqual(expect.arrayContaining(['200', '400', '404']));
  });
});

test('the same seed makes the same requests, another one others', () => {
  const make = (seed: number) => casesOf(['/a/0'], seed, 50).map(({ bytes }) => bytes.toString('latin1'));
  expect(make(1)).toEqual(make(1));
  expect(make(1)).not.toEqual(make(2));
});

const BROKEN = fileURLToPath(new URL('broken-server.ts', import.meta.url));

async function startBroken(mistake: string): Promise<Target & AsyncDisposable> {
  const child = spawn(process.execPath, [BROKEN, mistake], { stdio: ['ignore', 'pipe', 'inherit'] });
  const exit = once(child, 'exit').then(([code]) => code);
  const lines: string[] = [];
  const port = await new Promise<number>((resolve) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      const found = /^port (\d+)$/.exec(line)?.[1];
      if (found) resolve(Number(found));
      else lines.push(line);
    });
  });
  return {
    port,
    exit,
    lines,
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await exit;
    },
  };
}

describe.concurrent('the fuzzer', () => {
  const run = async (mistake: string) => {
    await using target = await startBroken(mistake);
    const options = { routes: ['/a/0'], seed: SEED, requests: 200, patienceMs: 5000 };
    const { findings } = await fuzz(target, options);
    return [...new Set(findings.map(({ what }) => what))];
  };

  test.each([
    ['crash', 'crash'],
    ['hang', 'hang'],
    ['undefined 5xx', 'undefined 5xx'],
    ['leaked secret', 'leak'],
    ['logged secret', 'leak'],
    ['leaked stack', 'leak'],
    ['smuggling', 'smuggling'],
    ['shape', 'shape'],
    ['growth', 'growth'],
  ])('finds a %s', async (mistake, what) => {
    expect(await run(mistake)).toContain(what);
  });

  test('finds nothing where nothing is wrong', async () => {
    expect(await run('none')).toEqual([]);
  });
});
