/** Follows the recipes of docs/extending.md in a copy of the repository, and does what they warn of. */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Bookinfo, BookinfoOptions } from '../../local/bookinfo.ts';
import { newTraceId, openCollector, sampled } from '../support/collector.ts';
import { http } from '../support/http.ts';

const ROOT = join(import.meta.dirname, '../..');

interface Block {
  language: string;
  files: string[];
  text: string;
}

/** The code blocks of a section that are to be followed: commands, and those that name files. */
function blocksOf(section: string): Block[] {
  const text =
    readFileSync(join(ROOT, 'docs/extending.md'), 'utf8').split(`\n## ${section}\n`)[1]?.split('\n## ')[0] ?? '';
  return [...text.matchAll(/^( *)```(\w+) ?(.*)\n([\s\S]*?)\n\1```$/gm)].map(
    ([, indent = '', language = '', files = '', body = '']) => ({
      language,
      files: files.split(' '),
      text: `${body.replaceAll(new RegExp(`^${indent}`, 'gm'), '')}\n`,
    }),
  );
}

/** Puts the lines with `+` in place of those with `-`, where all that have no `+` stand, once. */
function applyDiff(original: string, diff: string): string {
  const side = (sign: string) =>
    diff
      .split(/(?<=\n)/)
      .filter((line) => line.startsWith(' ') || line.startsWith(sign))
      .map((line) => line.slice(1))
      .join('');
  const parts = original.split(side('-'));
  if (parts.length !== 2) throw new Error(`stands ${parts.length - 1} times in the file:\n${side('-')}`);
  return parts.join(side('+'));
}

const { error } = spawnSync('kubectl', ['version', '--client']);

/** Each of these runs compilers and tests of its own. */
const options = { timeout: 400_000 };

describe.skipIf(error)(
  'a copy of the repository that follows docs/extending.md (skipped without kubectl)',
  options,
  () => {
    let copy: string;
    const environment = () => ({
      ...process.env,
      PATH: [join(copy, 'node_modules/.bin'), process.env.PATH].join(delimiter),
      NO_COLOR: '1',
      // In CI, pnpm would refuse to touch the lock file; npx would ask whether it may fetch pnpm.
      CI: '',
      npm_config_yes: 'true',
    });
    const run = (command: string) => {
      const { status, stdout, stderr } = spawnSync('sh', ['-ec', command], {
        cwd: copy,
        encoding: 'utf8',
        env: environment(),
      });
      if (status !== 0) throw new Error(`${command} ended with ${status}:\n${stdout}${stderr}`);
      return stdout;
    };
    const follow = (...blocks: Block[]) => {
      for (const { language, files, text } of blocks) {
        if (language === 'sh') run(text);
        else
          for (const file of files) {
            const path = join(copy, file);
            mkdirSync(dirname(path), { recursive: true });
            writeFileSync(path, language === 'diff' ? applyDiff(readFileSync(path, 'utf8'), text) : text);
          }
      }
    };

    const [newService, removeService] = blocksOf('A service') as [Block, Block];
    const git = (...args: string[]) => execFileSync('git', args, { cwd: copy, encoding: 'utf8' });
    const commit = (message: string) => {
      git('add', '--all');
      git('-c', 'user.name=test', '-c', 'user.email=test@localhost', 'commit', '--quiet', '--message', message);
    };

    beforeAll(() => {
      copy = realpathSync(mkdtempSync(join(tmpdir(), 'bookinfo-')));
      const files = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
        cwd: ROOT,
      });
      for (const file of files.toString().split('\0').filter(Boolean))
        cpSync(join(ROOT, file), join(copy, file), { verbatimSymlinks: true, recursive: true });
      git('init', '--quiet');
      commit('Begin');
      follow(...blocksOf('A version of a service'));
      run('npx pnpm@12 install --offline');
      commit('Add reviews v4');
      git('tag', 'before');
      follow(newService);
      git('tag', 'made');
    }, options.timeout);
    // Whatever the test before has left, and however often one is tried.
    beforeEach(() => {
      git('reset', '--quiet', '--hard', 'made');
      git('clean', '--quiet', '-d', '--force');
    });
    afterAll(() => rmSync(copy, { recursive: true, force: true }));

    test('has all of the new service in one commit', () => {
      expect(git('status', '--porcelain')).toBe('');
      expect(git('log', '--format=%s', 'before..HEAD')).toBe('Add the service orders\n');
    });

    test('passes the checks of its code', () => {
      run('npx pnpm@12 check');
    });

    test('passes the tests of its manifests and of the new service', () => {
      const about = ['containers', 'istio', 'kubernetes', 'network-policy', 'readme', 'schema'];
      run(`vitest run ${about.map((name) => `test/manifests/${name}.test.ts`).join(' ')}`);
      run('npx pnpm@12 k8s:generate --check');
      expect(run('vitest run test/services/every-service.test.ts --testNamePattern orders')).toMatch(
        /Tests +\d+ passed/,
      );
      expect(run('vitest run services/orders')).toMatch(/Tests +2 passed/);
    });

    test('runs reviews v4 with golden stars, and orders behind the page, in one trace', async () => {
      const { startBookinfo } = (await import(join(copy, 'local/bookinfo.ts'))) as {
        startBookinfo(options?: BookinfoOptions): Promise<Bookinfo>;
      };
      await using collector = await openCollector();
      await using bookinfo = await startBookinfo({ env: collector.env });
      const at = (name: string) => bookinfo.processes.find(({ workload }) => workload.name === name)?.port;
      const reviews = await http(`http://127.0.0.1:${at('reviews-v4')}/reviews/0`);
      expect(reviews.json).toMatchObject({ reviews: [{ rating: { stars: 5, color: 'gold' } }, {}] });
      const traceId = newTraceId();
      const orders = await http(`http://127.0.0.1:${bookinfo.ports.productpage}/api/v1/products/0/orders`, {
        headers: sampled(traceId),
      });
      expect(orders.json).toEqual({ id: 0, text: 'nothing yet', answered: ['details'] });
      const spans = await collector.trace(traceId, 5);
      const callerOf = (service: string) => {
        const server = spans.find((it) => it.kind === 2 && it.resource['service.name'] === service);
        return spans.find((it) => it.spanId === server?.parentSpanId)?.resource['service.name'];
      };
      expect([callerOf('orders'), callerOf('details')]).toEqual(['productpage', 'orders']);
    });

    const refusal = (command: string) => {
      const state = () => git('rev-parse', 'HEAD') + git('status', '--porcelain') + git('stash', 'list');
      const before = state();
      const { status, stderr } = spawnSync('node', command.split(' '), {
        cwd: copy,
        encoding: 'utf8',
        env: environment(),
      });
      expect(state()).toBe(before);
      return `${status}: ${stderr.trim()}`;
    };

    test.each([
      [
        'Orders',
        'Orders will not do as the name of a service: lower-case letters and digits, a letter first, 31 at most.',
      ],
      ['orders', 'There is a service orders already.'],
      ['mysqldb', 'The name mysqldb is taken by something else.'],
      ['class', 'The name class is taken by something else.'],
      ['product', 'The name product is taken by something else.'],
      ['stock --calls detals', 'There is no service detals to call: did you mean details?'],
    ])('refuses new:service %s in one line', (args, line) => {
      expect(refusal(`templates/new-service.ts ${args}`)).toBe(`2: ${line}`);
    });

    test('makes and removes nothing in a work tree with changes, and shows what it would do', () => {
      writeFileSync(join(copy, 'notes.txt'), 'mine');
      const line = '2: Your work tree has changes that are not committed (notes.txt): commit or stash them first.';
      expect(refusal('templates/new-service.ts stock')).toBe(line);
      expect(refusal('templates/remove-service.ts orders')).toBe(line);
      expect(run('node templates/new-service.ts stock --store sqlite --dry-run')).toContain(
        '+++ b/services/stock/src/store.ts',
      );
      expect(git('status', '--porcelain')).toBe('?? notes.txt\n');
    });

    test('on Ctrl-C undoes what it has begun, and keeps what was written meanwhile', async () => {
      const options = { cwd: copy, env: environment(), stdio: 'ignore' } as const;
      const command = spawn('node', ['templates/new-service.ts', 'stock'], options);
      const exit = once(command, 'exit');
      await vi.waitUntil(() => existsSync(join(copy, 'services/stock/src/app.ts')), { timeout: 60_000, interval: 10 });
      writeFileSync(join(copy, 'services/details/src/app.ts'), 'mine');
      writeFileSync(join(copy, 'notes.txt'), 'mine, too');
      command.kill('SIGINT');
      expect(await exit).toEqual([130, null]);
      expect(git('status', '--porcelain') + git('log', '--format=%s', 'made..HEAD')).toBe('');
      expect(git('show', 'stash@{0}:services/details/src/app.ts')).toBe('mine');
      expect(git('show', 'stash@{0}^3:notes.txt')).toBe('mine, too');
      git('stash', 'drop', '--quiet');
    });

    test('makes a service with a store, whose tests pass, and removes it', () => {
      run('node templates/new-service.ts stock --calls orders,ratings --store sqlite');
      run('tsc && biome check services');
      expect(run('vitest run services/stock')).toMatch(/Tests +3 passed/);
      expect(refusal('templates/remove-service.ts orders')).toMatch(
        /^2: .*services\/stock.* orders: take that away first\.$/,
      );
      run('node templates/remove-service.ts stock');
      expect(git('diff', '--stat', 'HEAD~2')).toBe('');
    });

    test('removes one whose long name makes a line of its caller break into several', () => {
      run('node templates/new-service.ts recommendations --called-by productpage');
      run('node templates/remove-service.ts recommendations');
      expect(git('diff', '--stat', 'HEAD~2')).toBe('');
    });

    test('does not remove what was changed by hand, unless told to', () => {
      writeFileSync(join(copy, 'services/orders/src/app.ts'), '// mine');
      writeFileSync(join(copy, 'services/orders/src/more.ts'), '// mine, too');
      commit('Work');
      expect(refusal('templates/remove-service.ts orders')).toBe(
        '2: You have changed services/orders/src/app.ts, services/orders/src/more.ts since orders was made: --force takes it away all the same.',
      );
      run('node templates/remove-service.ts orders --force');
      expect(git('diff', '--stat', 'before')).toBe('');
    });

    test('removes the service to exactly what was there before', () => {
      follow(removeService);
      expect(git('status', '--porcelain')).toBe('');
      expect(git('diff', '--stat', 'before')).toBe('');
      expect(existsSync(join(copy, 'services/orders'))).toBe(false);
    });
  },
);
