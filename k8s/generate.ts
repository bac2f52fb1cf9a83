/**
 * Writes the flat files of this folder: k8s/NAME.yaml is what k8s/kustomize/lessons/NAME builds, under the two
 * comment lines that its kustomization.yaml starts with and a third that says where the file comes from.
 *
 *   node k8s/generate.ts           write them
 *   node k8s/generate.ts --check   only tell which are out of date; exit 1 if any is
 */
import { execFile } from 'node:child_process';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';

const FOLDER = import.meta.dirname;
const LESSONS = join(FOLDER, 'kustomize', 'lessons');

/** The third line of a generated file; one without it was written by hand, and is none of this program's business. */
const mark = (lesson: string): string => `# Generated from k8s/kustomize/lessons/${lesson}; edit there`;

async function header(lesson: string): Promise<string> {
  const source = await readFile(join(LESSONS, lesson, 'kustomization.yaml'), 'utf8');
  const [shows, seeIt, next] = source.split('\n');
  if (!shows?.startsWith('# ') || !seeIt?.startsWith('# See it: ') || next?.startsWith('#'))
    throw new Error(`${lesson}/kustomization.yaml must start with two comments: what it shows, "See it: …"`);
  return `${shows}\n${seeIt}\n${mark(lesson)}\n`;
}

async function build(lesson: string): Promise<string> {
  const { stdout } = await promisify(execFile)('kubectl', ['kustomize', join(LESSONS, lesson)], {
    maxBuffer: 64 * 1024 * 1024,
  });
  return (await header(lesson)) + stdout;
}

const isMissing = (error: unknown): boolean => (error as NodeJS.ErrnoException).code === 'ENOENT';

/** A file's text; undefined where there is none. */
async function read(file: string): Promise<string | undefined> {
  return readFile(join(FOLDER, file), 'utf8').catch((error: unknown) => {
    if (isMissing(error)) return undefined;
    throw error;
  });
}

async function main(): Promise<void> {
  const check = process.argv.includes('--check');
  const lessons = (await readdir(LESSONS, { withFileTypes: true })).filter((entry) => entry.isDirectory());
  const wanted = new Map<string, string>(
    await Promise.all(lessons.map(async ({ name }) => [`${name}.yaml`, await build(name)] as const)),
  );
  const stale: string[] = [];
  for (const [file, text] of wanted) if ((await read(file)) !== text) stale.push(file);
  const complaints: string[] = [];
  for (const file of await readdir(FOLDER)) {
    const lesson = basename(file, '.yaml');
    if (file.endsWith('.yaml') && !wanted.has(file) && (await read(file))?.includes(mark(lesson)))
      complaints.push(`k8s/${file} has no lesson that builds it: remove it`);
  }

  if (check) {
    complaints.push(...stale.map((file) => `k8s/${file} is out of date: run \`pnpm k8s:generate\``));
  } else {
    for (const file of stale) await writeFile(join(FOLDER, file), wanted.get(file) ?? '');
    console.log(`${wanted.size} files, ${stale.length} written`);
  }
  for (const complaint of complaints) console.error(complaint);
  if (complaints.length > 0) process.exitCode = 1;
}

await main().catch((error: unknown) => {
  const reason = isMissing(error) ? 'kubectl was not found; this needs its `kustomize` command' : String(error);
  console.error(`k8s/generate.ts: ${reason}`);
  process.exitCode = 1;
});
