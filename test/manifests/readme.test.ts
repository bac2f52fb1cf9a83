/** The tables of README say what the code says. */
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { SERVICES, type Service, WORKLOADS } from '../../local/workloads.ts';
import { ROOT, text } from './load.ts';

/** The cells of the table that has this first column, without its head. */
function table(firstColumn: string): string[][] {
  const lines = text('README.md').split('\n');
  const head = lines.findIndex((line) => line.startsWith(`| ${firstColumn} |`));
  const end = lines.indexOf('', head);
  return lines.slice(head + 2, end).map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}
const codes = (cell = ''): string[] => [...cell.matchAll(/`([^`]+)`/g)].map(([, code = '']) => code);

test('every folder of services/ is a service in local/workloads.ts', () => {
  expect(readdirSync(join(ROOT, 'services')).toSorted()).toEqual(SERVICES.toSorted());
});

test.for([...text('README.md').matchAll(/`(test\/(?!install)\w+)`/g)].map(([, program = '']) => program))(
  '%s takes --help',
  (program) => {
    const { stdout, stderr } = spawnSync(join(ROOT, program), ['--help'], { encoding: 'utf8' });
    expect(stderr).toBe('');
    // `test/lab` is another name for a command.
    expect(stdout).toMatch(/^Usage: (test\/\w+|npx pnpm@12 lab rehearse) /);
  },
);

test('"What runs" has every workload, and marks those that start runs', () => {
  const rows = table('Workload').flatMap(([names = '', , mark]) => {
    const [service = '', ...versions] = names.split(/,? /);
    return versions.map((version) => `${service}-${version}${mark ? ' ✓' : ''}`);
  });
  expect(rows.toSorted()).toEqual(WORKLOADS.map(({ name, start }) => (start ? `${name} ✓` : name)).toSorted());
});

describe('"Environment"', async () => {
  type Config = Record<string, unknown>;
  type ReadConfig = (env: NodeJS.ProcessEnv) => Config;
  const configs = new Map<Service, ReadConfig>();
  for (const service of SERVICES) {
    const { readConfig } = (await import(`../../services/${service}/src/config.ts`)) as { readConfig: ReadConfig };
    configs.set(service, readConfig);
  }
  const rows = table('Variable').map(([names, defaults = '', readers = '']) => ({
    names: codes(names).filter((name) => name !== 'OTEL_*'),
    defaults,
    readers,
  }));

  /** The variables that a service reads: a nonsensical value is refused or taken over, not ignored. */
  const readBy = (readConfig: ReadConfig): string[] =>
    Object.keys(readConfig({})).filter((name) => {
      try {
        return readConfig({ [name]: '~' })[name] === '~';
      } catch {
        return true;
      }
    });

  test.each(SERVICES)('has what %s reads, and nothing else', (service) => {
    const read = readBy(configs.get(service) as ReadConfig);
    const documented = (readers: string[]) =>
      rows.filter((row) => readers.includes(row.readers)).flatMap(({ names }) => names);
    expect(read.filter((name) => !documented(['all', 'callers', service]).includes(name))).toEqual([]);
    expect(documented(['all', service]).filter((name) => !read.includes(name))).toEqual([]);
  });

  test.each(rows.map((row) => [row.names.join(' '), row] as const))('has the default of %s', (_, { names, ...row }) => {
    const values = names.map(
      (name) => [...configs.values()].map((readConfig) => readConfig({})).find((config) => name in config)?.[name],
    );
    // Where a cell has words, it explains; the others are the defaults, one each or one for all.
    if (/^(`[^`]+` ?)+$/.test(row.defaults)) {
      const defaults = codes(row.defaults);
      expect(values.map(String)).toEqual(names.map((_, i) => defaults[i] ?? defaults[0]));
    } else if (row.defaults === '') {
      expect(values.every((value) => value === undefined || value === '')).toBe(true);
    }
  });
});
