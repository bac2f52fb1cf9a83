/** Lays the files of an exercise over a commit: as a tree in Git's store, so that nothing half done is ever in a work tree. */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative, sep } from 'node:path';
import { execaSync } from 'execa';
import { Refusal, git as run } from '../../local/clone.ts';
import { deploymentOf } from '../../templates/changes.ts';
import type { Exercise } from './exercise.ts';
import { choose, type Files, spoil } from './faults.ts';

/** `exercises/` of this repository. */
export const FOLDER = join(import.meta.dirname, '..');

/** What is laid over a tree: a folder, files by their path, or files that follow from those below them. */
export type Layer = string | Files | ((read: (file: string) => string) => Files);

/** A change of files that are there, to be applied before the other files of a layer are laid down. */
const CHANGES = 'changes.diff';

/** The folders of exercises and challenges, in order. */
export function exerciseNames(): string[] {
  return readdirSync(FOLDER)
    .filter((name) => /^(debug-)?\d+-/.test(name))
    .toSorted();
}

export async function loadExercise(name: string): Promise<Exercise> {
  return ((await import(join(FOLDER, name, 'exercise.ts'))) as { default: Exercise }).default;
}

/** The names of the variants in `wrong/`. */
export function wrongNames(name: string): string[] {
  const folder = join(FOLDER, name, 'wrong');
  return existsSync(folder) ? readdirSync(folder).toSorted() : [];
}

/** What to lay over each other for the state `start`, `solution`, or one of `wrong/`, which lies over the solution. */
export async function layersOf(name: string, state: 'start' | 'solution' | { wrong: string[] }): Promise<Layer[]> {
  const { after = [], files = [], services = {} } = await loadExercise(name);
  const solutionsOf = async (names: readonly string[]) =>
    (await Promise.all(names.map((it) => layersOf(it, 'solution')))).flat();
  const before = [...(await solutionsOf(after)), ...(await solutionsOf(files)).map(withoutChanges)];
  const at = (...path: string[]) => join(FOLDER, name, ...path);
  const isThere = (state: string, service: string) => existsSync(at(state, 'services', service));
  const deployedBy = (state: string) =>
    Object.entries(services)
      .filter(([service]) => isThere(state, service) && (state === 'start' || !isThere('start', service)))
      .map(([service, how]) => deployed(service, how));
  const start = [...before, at('start'), ...deployedBy('start')];
  if (state === 'start') return start;
  const solution = [...start, at('solution'), ...deployedBy('solution')];
  return state === 'solution' ? solution : [...solution, ...state.wrong.map((it) => at('wrong', it))];
}

/** Of a layer the whole files, also of those that follow from what is there. */
function withoutChanges(layer: Layer): Layer {
  if (typeof layer === 'function') return layer;
  const { [CHANGES]: _, ...files } = typeof layer === 'string' ? filesBelow(layer) : layer;
  return files;
}

/** What lets a service of an exercise run in containers and in a cluster: the same as of one that `new:service` makes. */
const deployed =
  (name: string, { store = false }: { store?: boolean }): Layer =>
  (read) =>
    Object.fromEntries(deploymentOf({ name, store }, read));

/** What an exercise begins with; of a challenge, what a seed makes of its solution. */
export async function startOf(name: string, seed: string): Promise<Layer[]> {
  const { faults, pool } = await loadExercise(name);
  if (faults === undefined) return layersOf(name, 'start');
  if (!pool) return layersOf(name, { wrong: faultsOf(name, faults, seed) });
  return [...(await layersOf(name, 'solution')), choose(pool, faults, seed).reduce(spoil, goodFiles(name))];
}

/** The files of the solution. */
export const goodFiles = (name: string): Files => filesBelow(join(FOLDER, name, 'solution'));

/** The faults that a seed chooses for a challenge: the same ones for the same seed. */
export function faultsOf(name: string, count: number, seed: string): string[] {
  const rank = (fault: string) => createHash('sha256').update(`${seed}/${name}/${fault}`).digest('hex');
  return wrongNames(name)
    .toSorted((a, b) => rank(a).localeCompare(rank(b)))
    .slice(0, count);
}

/**
 * The commit's tree with the layers over it.
 * @param repository path of its work tree
 * @returns the id of a tree that no branch knows yet
 * @throws {Refusal} when changes.diff of a layer does not fit
 */
export async function layOver(repository: string, commit: string, layers: readonly Layer[]): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'bookinfo-index-'));
  const env = { GIT_INDEX_FILE: join(folder, 'index') };
  const git = (args: string[], input = '') => run(repository, args, { env, input });
  const read = (file: string) =>
    execaSync('git', ['show', `:${file}`], { cwd: repository, env, stripFinalNewline: false }).stdout;
  const misfit = (): never => {
    throw new Refusal(
      `The files of this exercise do not fit onto ${commit}, which has changes of its own: start from main.`,
    );
  };
  try {
    await git(['read-tree', commit]);
    for (const layer of layers) {
      const { [CHANGES]: changes, ...files } = filesOf(layer, read) ?? misfit();
      if (changes !== undefined) await git(['apply', '--cached', '--whitespace=nowarn'], changes).catch(misfit);
      for (const [file, content] of Object.entries(files)) {
        const id = await git(['hash-object', '-w', '--stdin'], content);
        await git(['update-index', '--add', '--cacheinfo', `100644,${id},${file}`]);
      }
    }
    return await git(['write-tree']);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** None of a layer that follows from files which are not as expected. */
function filesOf(layer: Layer, read: (file: string) => string): Files | undefined {
  if (typeof layer === 'string') return filesBelow(layer);
  if (typeof layer !== 'function') return layer;
  try {
    return layer(read);
  } catch {
    return undefined;
  }
}

function filesBelow(folder: string): Files {
  if (!existsSync(folder)) return {};
  const files = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)));
  return Object.fromEntries(files.map((file) => [file.split(sep).join('/'), readFileSync(join(folder, file), 'utf8')]));
}
