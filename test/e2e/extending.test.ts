/** Follows the recipes of docs/extending.md in a copy of the repository. */
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Bookinfo, BookinfoOptions } from '../../local/bookinfo.ts';
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

describe.skipIf(error)('a copy of the repository that follows docs/extending.md (skipped without kubectl)', () => {
  let copy: string;
  const run = (command: string) => {
    const { status, stdout, stderr } = spawnSync('sh', ['-ec', command], {
      cwd: copy,
      encoding: 'utf8',
      env: {
        ...process.env,
        PATH: [join(copy, 'node_modules/.bin'), process.env.PATH].join(delimiter),
        NO_COLOR: '1',
        // In CI, pnpm would refuse to touch the lock file; npx would ask whether it may fetch pnpm.
        CI: '',
        npm_config_yes: 'true',
      },
    });
    if (status !== 0) throw new Error(`${command} ended with ${status}:\n${stdout}${stderr}`);
    return stdout;
  };
  const follow = (section: string) => {
    for (const { language, files, text } of blocksOf(section)) {
      if (language === 'sh') run(text);
      else
        for (const file of files) {
          const path = join(copy, file);
          mkdirSync(dirname(path), { recursive: true });
          writeFileSync(path, language === 'diff' ? applyDiff(readFileSync(path, 'utf8'), text) : text);
        }
    }
  };

  beforeAll(() => {
    copy = mkdtempSync(join(tmpdir(), 'bookinfo-'));
    const files = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], { cwd: ROOT });
    for (const file of files.toString().split('\0').filter(Boolean))
      cpSync(join(ROOT, file), join(copy, file), { verbatimSymlinks: true, recursive: true });
    follow('A version of a service');
    follow('A service');
  });
  afterAll(() => rmSync(copy, { recursive: true, force: true }));

  test('passes the checks of its code', () => {
    run('npx pnpm@12 check');
  });

  test('passes the tests of its manifests and of the new service', () => {
    run('vitest run --project manifests');
    expect(run('vitest run test/services/every-service.test.ts --testNamePattern orders')).toMatch(/Tests +\d+ passed/);
  });

  test('runs reviews v4 with golden stars, and the service orders', async () => {
    const { startBookinfo } = (await import(join(copy, 'local/bookinfo.ts'))) as {
      startBookinfo(options?: BookinfoOptions): Promise<Bookinfo>;
    };
    await using bookinfo = await startBookinfo();
    const at = (name: string) => bookinfo.processes.find(({ workload }) => workload.name === name)?.port;
    const reviews = await http(`http://127.0.0.1:${at('reviews-v4')}/reviews/0`);
    expect(reviews.json).toMatchObject({ reviews: [{ rating: { stars: 5, color: 'gold' } }, {}] });
    const orders = await http(`http://127.0.0.1:${at('orders-v1')}/orders/0`);
    expect(orders.json).toEqual({ orders: ['jason'] });
  });
});
