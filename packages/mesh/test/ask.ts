/** Asks the model about files of this repository, with manifests of the test's own laid over them. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { addressOf, type Explanation, explain, type Manifest, type Step } from '../src/index.ts';

const ROOT = join(import.meta.dirname, '..', '..', '..');

export const parse = (yaml: string): Manifest[] =>
  parseAllDocuments(yaml).flatMap((document) => (document.toJS() as Manifest | null) ?? []);
export const file = (path: string): Manifest[] => parse(readFileSync(join(ROOT, path), 'utf8'));

/** The shop, its gateway and its subsets: where every lesson starts. */
export const START = ['k8s/bookinfo.yaml', 'istio/bookinfo-gateway.yaml', 'istio/destination-rule-all.yaml'];

export interface Question {
  from?: string;
  method?: string;
  headers?: Record<string, string>;
  user?: string;
  now?: number;
}

/** `lessons`: files below istio/ (or from the root, when they start so), or manifests as text or as objects. */
export function ask(
  url: string,
  lessons: (string | Manifest[])[],
  question: Question = {},
  start = START,
): Explanation {
  const { from = 'ingress', method = 'GET', headers = {}, user, now = 0 } = question;
  const manifests = [...start, ...lessons].flatMap((it) => {
    if (typeof it !== 'string') return it;
    if (it.includes('\n')) return parse(it);
    return file(/^(k8s|istio|samples)\//.test(it) ? it : `istio/${it}.yaml`);
  });
  return explain(manifests, { ...addressOf(new URL(url)), method, headers, from, now, ...(user && { user }) });
}

const rounded = (found: Record<string, number>) =>
  Object.fromEntries(Object.entries(found).map(([key, value]) => [key, Number(value.toFixed(4))]));

/** `{ '200 v1': 80, '200 v2': 20 }`: status and version that answered, in percent. */
export function shares({ outcomes }: Explanation): Record<string, number> {
  const found: Record<string, number> = {};
  for (const { status, version, probability } of outcomes) {
    const key = version ? `${status} ${version}` : String(status);
    found[key] = (found[key] ?? 0) + probability * 100;
  }
  return rounded(found);
}

/** What the page shows, in percent, leaving out what it always shows. */
export function pages({ outcomes }: Explanation): Record<string, number> {
  const found: Record<string, number> = {};
  for (const { shows, seconds, probability } of outcomes) {
    const telling = shows.filter((it) => it !== 'Book Details').map((it) => it.replace('Reviews served by: ', ''));
    const key = `${telling.join(', ')}${seconds > 0 ? ` after ${seconds} s` : ''}`;
    found[key] = (found[key] ?? 0) + probability * 100;
  }
  return rounded(found);
}

/** Every sentence of an explanation, with the reasons of what was passed over. */
export function sentences({ steps, outcomes, undecided, notes }: Explanation): string {
  const flat = (all: Step[]): string[] =>
    all.flatMap(({ text, skipped, steps: inner }) => [
      text,
      ...skipped.map((it) => `not ${it.ref}: ${it.reason}`),
      ...flat(inner),
    ]);
  return [...flat(steps), ...outcomes.map(({ reason = '' }) => reason), ...undecided, ...notes].join('\n');
}
