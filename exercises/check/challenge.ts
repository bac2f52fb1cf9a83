/** Challenges in manifests: a good set of files, of which a seed makes some fields wrong. */
import type { Manifest } from '@bookinfo/mesh';
import {
  type ClusterAccess,
  type Exercise,
  Finding,
  type FindingWords,
  type OpenOptions,
  type Question,
} from './exercise.ts';
import { type Fault, type Files, fieldOf, holds } from './faults.ts';
import { goodFiles } from './layers.ts';
import { filesIn, Mesh, type MeshQuestion, manifestsOf, readFiles } from './mesh.ts';

/** Where the student has the files, below the root. */
const FOLDER = 'challenge';

export interface MeshContext extends AsyncDisposable {
  mesh: Mesh;
  /** Hop and field of a fault that is still there, for a question that it fails. */
  suspect(id: string): Pick<FindingWords, 'look' | 'cause'>;
}

/** Its name is what holds, as a sentence without its full stop. */
export interface NamedQuestion extends MeshQuestion, Pick<Question<MeshContext>, 'name' | 'hint'> {}

export interface MeshChallenge extends Pick<Exercise, 'title' | 'day' | 'minutes'> {
  /** The exercise's folder. */
  name: string;
  /** What runs and holds beside the files of the challenge, below the root. */
  beside: readonly string[];
  questions: Readonly<Record<string, NamedQuestion>>;
  pool: readonly Fault[];
}

export interface MeshExercise extends Exercise<MeshContext> {
  beside: readonly string[];
  pool: readonly Fault[];
  /** The questions, by the names that faults know them by. */
  byId: Readonly<Record<string, Question<MeshContext>>>;
  /** What is asked, with the manifests of `beside` and the files that the student has. */
  contextOf(beside: readonly Manifest[], own: Files, cluster?: ClusterAccess): MeshContext;
}

export function meshChallenge(
  { name, questions, ...rest }: MeshChallenge,
  more: Readonly<Record<string, Question<MeshContext>>> = {},
): MeshExercise {
  const { beside, pool } = rest;
  const contextOf: MeshExercise['contextOf'] = (others, own, cluster) => ({
    mesh: new Mesh([...others, ...manifestsOf(own)], cluster),
    suspect(id) {
      const fault = pool.find((it) => it.question === id && holds(it, own, goodFiles(name)));
      return fault ? { look: fault.hop, cause: fieldOf(fault) } : {};
    },
    async [Symbol.asyncDispose]() {},
  });
  const asked = Object.entries(questions).map(([id, question]): [string, Question<MeshContext>] => [
    id,
    {
      name: question.name,
      ...(question.hint !== undefined && { hint: question.hint }),
      async ask({ mesh, suspect }) {
        const wrong = await mesh.ask(question);
        if (wrong) throw new Finding({ expected: wrong.expected, seen: wrong.seen, ...suspect(id) });
      },
    },
  ]);
  const byId = { ...Object.fromEntries(asked), ...more };
  const open = async (tree: string, { cluster }: OpenOptions) =>
    contextOf(manifestsOf(readFiles(tree, beside)), readFiles(tree, filesIn(tree, FOLDER)), cluster);
  return {
    ...rest,
    faults: 4,
    goOn: true,
    refused: { wrong: {} },
    byId,
    questions: Object.values(byId),
    contextOf,
    open,
    openInCluster: open,
  };
}
