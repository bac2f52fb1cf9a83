import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openStub } from '../support/stub.ts';

const ROOT = join(import.meta.dirname, '../..');

let clone: string;
beforeEach(() => {
  clone = mkdtempSync(join(tmpdir(), 'bookinfo-clone-'));
});
afterEach(() => rmSync(clone, { recursive: true }));

const bring = (...paths: string[]) => {
  for (const path of paths) cpSync(join(ROOT, path), join(clone, path), { recursive: true });
};

test('npm start with nothing installed says in one line that pnpm installs', async () => {
  bring('package.json', 'local');
  const { exitCode, stderr } = await execa('npm', ['start', '--silent'], { cwd: clone, reject: false });
  expect([exitCode, stderr]).toEqual([
    1,
    'Nothing is installed yet, which is for pnpm to do, not npm: npx pnpm@12 start',
  ]);
});

test('npm install stops before it has done anything, and says what to type instead', async () => {
  bring('package.json');
  const { exitCode, stderr } = await execa('npm', ['install'], { cwd: clone, reject: false });
  expect(exitCode).toBe(1);
  expect(stderr).toContain('install with npx pnpm@12 install\n');
});

test('a mirror that the project names in .npmrc is asked for Node.js, and for that of this platform alone', async () => {
  await using mirror = await openStub((response) => response.writeHead(404).end());
  bring('package.json', 'pnpm-lock.yaml', 'pnpm-workspace.yaml');
  writeFileSync(join(clone, '.npmrc'), `registry=http://127.0.0.1:${mirror.port}/\n`);
  const install = [
    'install',
    '--frozen-lockfile',
    '--prod',
    '--filter',
    'bookinfo',
    '--store-dir',
    join(clone, 'store'),
  ];
  await execa('npx', ['--yes', 'pnpm@12', '--dir', clone, ...install]);
  expect(mirror.received.map(({ path }) => path)).toEqual([
    expect.stringMatching(`^/node-(bin-)?${process.platform}-${process.arch}/-/node-.*\\.tgz$`),
  ]);
});
