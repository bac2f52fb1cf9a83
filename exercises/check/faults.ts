/** Faults of a challenge in manifests: each is one field of a good file, changed. */
import { hash } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { type Document, parseAllDocuments } from 'yaml';

export interface Fault {
  /** Words for a teacher. */
  name: string;
  /** The first question that it fails. */
  question: string;
  /** Where on the way of a request it goes wrong, told at the second failed check. */
  hop: string;
  file: string;
  /** `Gateway bookinfo-gateway`. */
  resource: string;
  /** Of the field, told at the third failed check. */
  at: readonly (string | number)[];
  /** What the field is instead of its good value; undefined takes it away. */
  wrong(good: unknown): unknown;
}

/** Names of files and their text. */
export type Files = Readonly<Record<string, string>>;

const resourceOf = (document: Document): string => `${document.get('kind')} ${document.getIn(['metadata', 'name'])}`;
const find = (text: string, { resource }: Fault): Document | undefined =>
  parseAllDocuments(text).find((it) => resourceOf(it) === resource);

const valueAt = (document: Document, at: Fault['at']): unknown =>
  at.reduce<unknown>((value, key) => (value as Record<string | number, unknown> | undefined)?.[key], document.toJS());

/** The files with this fault in one of them; comments stay. */
export function spoil(files: Files, fault: Fault): Files {
  const { file, at, resource, name } = fault;
  const documents = parseAllDocuments(files[file] ?? '');
  const document = documents.find((it) => resourceOf(it) === resource);
  if (!document) throw new Error(`${name}: ${file} has no ${resource}`);
  const wrong = fault.wrong(valueAt(document, at));
  if (wrong === undefined) document.deleteIn(at);
  else document.setIn(at, document.createNode(wrong));
  return { ...files, [file]: documents.map((it) => it.toString({ lineWidth: 0 })).join('') };
}

/** A field's good and wrong value, for people. */
export function changeOf(fault: Fault, good: Files): { was: string; is: string } {
  const document = find(good[fault.file] ?? '', fault);
  const was = document && valueAt(document, fault.at);
  const shown = (value: unknown) => JSON.stringify(value) ?? '(not there)';
  return { was: shown(was), is: shown(fault.wrong(was)) };
}

/** `api` of `RequestAuthentication api`. */
const nameOf = ({ resource }: Fault): string | undefined => resource.split(' ')[1];

/** Two faults that do not hide each other: each has a question of its own, and they are in resources of different names. */
export const bothSeen = (one: Fault, other: Fault): boolean =>
  one.question !== other.question && nameOf(one) !== nameOf(other);

/** `count` faults, the same for the same seed, of which each is seen. */
export function choose(pool: readonly Fault[], count: number, seed: string): Fault[] {
  const drawn = pool.map((fault) => [hash('sha256', `${seed} ${fault.name}`), fault] as const);
  const chosen: Fault[] = [];
  for (const [, fault] of drawn.toSorted(([a], [b]) => (a < b ? -1 : 1)))
    if (chosen.every((it) => bothSeen(it, fault))) chosen.push(fault);
  return chosen.slice(0, count);
}

/** Whether these files still have the fault as `spoil` puts it into the good ones. */
export function holds(fault: Fault, files: Files, good: Files): boolean {
  const [is, was] = [files, good].map((all) => find(all[fault.file] ?? '', fault));
  return !!is && !!was && isDeepStrictEqual(valueAt(is, fault.at), fault.wrong(valueAt(was, fault.at)));
}

/** `challenge/gateway.yaml: Gateway bookinfo-gateway, spec.servers[0].hosts`. */
export const fieldOf = ({ file, resource, at }: Fault): string =>
  `${file}: ${resource}, ${at.map((key, i) => (typeof key === 'number' ? `[${key}]` : i > 0 ? `.${key}` : key)).join('')}`;
