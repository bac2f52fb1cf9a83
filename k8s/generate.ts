/**
 * Writes the flat files of this folder: k8s/NAME.yaml is what k8s/kustomize/lessons/NAME builds, under the two
 * comment lines that its kustomization.yaml starts with and a third that says where the file comes from.
 */
import { execFile } from 'node:child_process';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { parseArgs, promisify } from 'node:util';

const USAGE = `Writes the flat files of k8s/ from k8s/kustomize/lessons.

Usage: npx pnpm@12 k8s:generate [options]

      --check           only tell which are out of date; exit code 1 if any is
      --registry NAME   take the images from there from now on, such as ghcr.io/team/bookinfo
      --tag TAG         and those of this tag, such as 1.2.3
  -h, --help            this text`;

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

interface Images {
  registry?: string | undefined;
  tag?: string | undefined;
}

/** The one place of each image in kustomize/, and what Compose and the build name the same. */
async function pointTo({ registry, tag }: Images): Promise<void> {
  const replacements: [RegExp, string | undefined][] = [
    [/(?<=^ +image: ).+(?=\/[^/\n]+$)/m, registry],
    [/(?<=^ +image: .+:)[^:/\n]+$/m, tag],
    [/(?<=^IMAGE_PREFIX=).*$/m, registry],
    [/(?<=^variable "IMAGE_PREFIX" \{\n {2}default = ").*(?=")/m, registry],
    [/(?<=^IMAGE_TAG=).*$/m, tag],
  ];
  const services = await readdir(join(FOLDER, 'kustomize/app'), { withFileTypes: true });
  const deployments = services
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => `kustomize/app/${name}/every-version/deployment.yaml`);
  for (const file of [...deployments, '../.env', '../docker-bake.hcl']) {
    let text = await readFile(join(FOLDER, file), 'utf8');
    for (const [pattern, value] of replacements) if (value !== undefined) text = text.replace(pattern, () => value);
    await writeFile(join(FOLDER, file), text);
  }
}

/** What a registry takes as the beginning of a name, and as a tag. */
const ALLOWED = { registry: /^[a-z0-9]+([._/:-]+[a-z0-9]+)*$/, tag: /^\w[\w.-]{0,127}$/ };

/** Wrong ones are answered with the usage, and exit code 2. */
function readArguments() {
  try {
    const { values } = parseArgs({
      options: {
        check: { type: 'boolean', default: false },
        registry: { type: 'string' },
        tag: { type: 'string' },
        help: { type: 'boolean', short: 'h', default: false },
      },
    });
    for (const name of ['registry', 'tag'] as const)
      if (values[name] !== undefined && !ALLOWED[name].test(values[name]))
        throw new Error(`--${name} ${values[name]}: that is no name of a registry, or no tag`);
    if (values.check && (values.registry ?? values.tag) !== undefined) throw new Error('--check changes nothing');
    return values;
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${USAGE}`);
    process.exit(2);
  }
}

async function main(): Promise<void> {
  const { check, help, ...images } = readArguments();
  if (help) return console.log(USAGE);
  await pointTo(images);
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
