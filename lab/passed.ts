/** Which moments of the lab a cluster has passed: a file that git does not see. */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { execa } from 'execa';
import { type Static, Type } from 'typebox';
import { Value } from 'typebox/value';
import { Obstacle } from './obstacle.ts';

const ROOT = join(import.meta.dirname, '..');

/** When which moment was passed (`2.2 half and half`), of one cluster. */
const Passed = Type.Record(Type.String(), Type.String());
export type Passed = Static<typeof Passed>;
/** By the cluster's id: one that was made anew begins anew. */
const Clusters = Type.Record(Type.String(), Passed);

/** In the clone's own git directory; of a copy without one, where programs keep their state. */
export async function passedFile(): Promise<string> {
  const git = await execa('git', ['rev-parse', '--git-path', 'bookinfo-lab.json'], { cwd: ROOT, reject: false });
  if (git.exitCode === 0) return resolve(ROOT, git.stdout);
  return join(process.env.XDG_STATE_HOME || join(homedir(), '.local/state'), 'bookinfo/lab.json');
}

/** @throws {Obstacle} when the file is there and is none of ours */
function read(file: string): Static<typeof Clusters> {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    return {};
  }
  try {
    const found: unknown = JSON.parse(text);
    if (Value.Check(Clusters, found)) return found;
  } catch {}
  throw new Obstacle(`${file} cannot be read`, 'move it away: what was passed is then asked anew');
}

export const readPassed = (file: string, cluster: string): Passed => read(file)[cluster] ?? {};

/** Adds to what was passed before; what is there keeps its time. */
export function addPassed(file: string, cluster: string, passed: Passed): Passed {
  const all = read(file);
  const merged = { ...passed, ...all[cluster] };
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(`${file}.new`, `${JSON.stringify({ ...all, [cluster]: merged }, null, 2)}\n`);
  renameSync(`${file}.new`, file);
  return merged;
}
