/** Every YAML document that a learner can apply, with the file it comes from. */
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { parseAllDocuments } from 'yaml';

/** The root of the repository; every `file` below is relative to it. */
export const ROOT = join(import.meta.dirname, '..', '..');

export interface Manifest {
  apiVersion: string;
  kind: string;
  metadata: {
    name: string;
    namespace?: string;
    labels?: Record<string, string>;
    annotations?: Record<string, string>;
  };
  spec?: unknown;
  [field: string]: unknown;
}

export interface Resource {
  /** Path from the root of the repository, for example `k8s/bookinfo.yaml`. */
  file: string;
  doc: Manifest;
}

/** The text of a file named by its path from the root. */
export const text = (file: string): string => readFileSync(join(ROOT, file), 'utf8');

/** All YAML files below a folder, sorted, by path from the root. */
export function yamlFiles(folder: string): string[] {
  const entries = readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile() && /\.ya?ml$/.test(entry.name))
    .map((entry) => relative(ROOT, join(entry.parentPath, entry.name)))
    .sort();
}

/** The documents of one file. Broken YAML, a repeated key or a document without kind, apiVersion or name throws. */
export function parse(file: string): Resource[] {
  return parseAllDocuments(text(file), { uniqueKeys: true }).flatMap((document) => {
    const problem = document.errors[0] ?? document.warnings[0];
    if (problem) throw new Error(`${file}: ${problem.message}`);
    const doc = document.toJS() as Manifest | null;
    if (doc === null) return [];
    if (
      !doc.kind ||
      !doc.apiVersion ||
      (!doc.metadata?.name && doc.kind !== 'Kustomization' && doc.kind !== 'Component')
    )
      throw new Error(`${file}: a document has no kind, apiVersion or metadata.name`);
    return [{ file, doc }];
  });
}

/** Input of kustomize and of kind, not applied as it stands. */
const isSource = (file: string): boolean =>
  file.startsWith('k8s/kustomize/') || file.endsWith('/kustomization.yaml') || file === 'k8s/kind-cluster.yaml';

/** The files that learners apply: the flat ones, the generated ones, and the routing. */
export const appliedFiles = (): string[] => ['k8s', 'istio'].flatMap(yamlFiles).filter((file) => !isSource(file));

/** Every resource of every applied file. */
export const resources = (): Resource[] => appliedFiles().flatMap(parse);
