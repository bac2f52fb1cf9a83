/** `npx pnpm@12 remove:service NAME`: undoes the commit of `new:service`, and nothing else. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from '@commander-js/extra-typings';
import { Refusal, removeLinks } from '../local/clone.ts';
import { ROOT } from './changes.ts';
import { change, git, requireClean, run } from './repository.ts';

/** What is written anew from the rest. */
const DERIVED = /^(pnpm-lock\.yaml|k8s\/[\w-]+\.yaml)$/;

const program = new Command('npx pnpm@12 remove:service')
  .usage('NAME [options]')
  .description('Takes away what new:service has made, in a commit: what you wrote stays in the history of Git.')
  .argument('<name>', 'such as orders')
  .option('--force', 'also what you have changed by hand since')
  .helpOption('-h, --help', 'this text')
  .showHelpAfterError()
  .exitOverride()
  .action(async (name, { force }) => {
    const commit =
      /^[a-z][a-z0-9]*$/.test(name) && (await git('log', '-1', '--format=%H', `--grep=^Add the service ${name}$`));
    if (!commit || !(await git('ls-files', `services/${name}`)))
      throw new Refusal(`There is no service ${name} that new:service has made.`);
    await requireClean();
    await change(`Remove the service ${name}`, async () => {
      const made = (await linesOf('diff', '--name-status', '--no-renames', `${commit}^`, commit)).map((line) =>
        line.split('\t'),
      );
      const created = made.flatMap(([status, file = '']) => (status === 'A' ? [file] : []));
      const edited = made.flatMap(([status, file = '']) => (status === 'M' && !DERIVED.test(file) ? [file] : []));
      const specs = `backendSpecs('${name.toUpperCase()}')`;
      const callers = await linesOf('grep', '--name-only', '--fixed-strings', specs, '--', 'services').catch(() => []);
      const others = callers.filter((file) => !created.includes(file) && !edited.includes(file));
      if (others.length > 0) throw new Refusal(`${others.join(', ')} still calls ${name}: take that away first.`);
      const changed = await linesOf('diff', '--name-only', commit, 'HEAD', '--', ...created);
      const own = await linesOf('ls-files', `services/${name}`);
      changed.push(...own.filter((file) => !created.includes(file)));
      const texts: [string, string][] = [];
      for (const file of edited) {
        const undone = undo(
          readFileSync(join(ROOT, file), 'utf8'),
          await git('diff', '-U0', `${commit}^`, commit, '--', file),
        );
        if (undone === undefined) changed.push(file);
        else texts.push([file, undone]);
      }
      if (changed.length > 0 && !force)
        throw new Refusal(
          `You have changed ${changed.join(', ')} since ${name} was made: --force takes it away all the same.`,
        );
      for (const [file, text] of texts) writeFileSync(join(ROOT, file), text);
      await git('rm', '--quiet', '-r', '--force', '--ignore-unmatch', ...created, `services/${name}`);
      await removeLinks(ROOT, `services/${name}`);
      for (const file of edited.filter((it) => changed.includes(it)))
        console.error(`Take ${name} out of ${file} by hand.`);
    });
    console.log(`${name} is gone, in a commit of its own.`);
  });

const linesOf = async (...args: string[]): Promise<string[]> => (await git(...args)).split('\n').filter(Boolean);

/**
 * A file without what a commit has put into it, whatever came beside it since.
 * @param diff of the commit, without lines around
 * @returns undefined when something of it is not there any more as it was put there
 */
function undo(text: string, diff: string): string | undefined {
  const hunks = diff
    .split(/^@@ .*\n/m)
    .slice(1)
    .map((hunk) => fragmentOf(sideOf(hunk, '-'), sideOf(hunk, '+')));
  let undone = text;
  // The longest first, for a short one may be a part of it.
  const longestFirst = hunks.toSorted((a, b) => b.added.length - a.added.length);
  for (const [added, same] of Map.groupBy(longestFirst, (hunk) => hunk.added)) {
    const parts = undone.split(added);
    if (parts.length - 1 !== same.length) return undefined;
    undone = parts.map((part, i) => part + (same[i]?.removed ?? '')).join('');
  }
  return undone;
}

const sideOf = (hunk: string, sign: string): string =>
  hunk
    .split('\n')
    .filter((line) => line.startsWith(sign))
    .map((line) => `${line.slice(1)}\n`)
    .join('');

/** What differs between two texts, without what they begin and end with in common. */
function fragmentOf(removed: string, added: string): { removed: string; added: string } {
  let start = 0;
  while (start < removed.length && removed[start] === added[start]) start++;
  let end = 0;
  while (end < removed.length - start && end < added.length - start && removed.at(-1 - end) === added.at(-1 - end))
    end++;
  return { removed: removed.slice(start, removed.length - end), added: added.slice(start, added.length - end) };
}

await run(program);
