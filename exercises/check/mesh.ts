/** Questions about a mesh: what comes back from a request, asked of the model or of a cluster. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import {
  type Answer,
  addressOf,
  explain,
  inWords,
  type Manifest,
  type Outcome,
  type RawAnswer,
  Refusal,
  readAnswer,
  readManifests,
  UnknownSource,
} from '@bookinfo/mesh';
import { parseAllDocuments } from 'yaml';
import { Obstacle } from '../../lab/obstacle.ts';
import { DOUBT, fit } from '../../lab/shares.ts';
import { count, Visitor } from '../../lab/visitor.ts';
import { type ClusterAccess, Finding, type FindingWords } from './exercise.ts';
import type { Files } from './faults.ts';

export interface MeshQuestion {
  /** A workload, `reviews-v2` or `outsider.legacy`; by default from outside. */
  from?: string;
  method?: string;
  /** From outside a path. */
  url: string;
  headers?: Record<string, string>;
  /** What a real server is sent; the model reads no bodies. */
  form?: Record<string, string>;
  /** Who is signed in at the product page. */
  user?: string;
  /** An answer before so many seconds, or after so many, is none of those that are expected. */
  notBefore?: number;
  notAfter?: number;
  /** How often a cluster is asked. */
  times: number;
  /**
   * A part of what an answer is in words (`200 v1 (Book Details, Reviews served by: reviews-v3, stars)`), to its share. A status
   * alone is that of a proxy, which names no version.
   */
  expected: Record<string, number>;
}

/** Answers in words, to how many there were, or to their share. */
type Seen = Record<string, number>;

/** The YAML files of a folder of the tree. */
export const filesIn = (tree: string, folder: string): string[] =>
  readdirSync(join(tree, folder))
    .filter((name) => name.endsWith('.yaml'))
    .toSorted()
    .map((name) => join(folder, name));

export const readFiles = (tree: string, paths: readonly string[]): Files =>
  Object.fromEntries(paths.map((path) => [path, readFileSync(join(tree, path), 'utf8')]));

/** @throws {Finding} for what is no YAML */
export function manifestsOf(files: Files): Manifest[] {
  return Object.entries(files).flatMap(([path, text]) =>
    parseAllDocuments(text).flatMap((document) => {
      const [error] = document.errors;
      if (error) throw new Finding({ expected: `${path} is YAML`, seen: error.message.split('\n')[0] ?? '' });
      return (document.toJS() as Manifest | null) ?? [];
    }),
  );
}

const words = (
  { notBefore = 0, notAfter = Number.POSITIVE_INFINITY }: MeshQuestion,
  answer: Answer,
  seconds: number,
): string => {
  if (seconds < notBefore) return 'an answer at once';
  return seconds > notAfter ? `an answer after ${Math.floor(seconds)} s` : inWords(answer);
};

/** What the model says. @throws {Finding} when nobody of the manifests can ask */
function outcomesOf(manifests: Manifest[], question: MeshQuestion): Outcome[] {
  const { from = 'ingress', method = 'GET', url, headers = {}, user } = question;
  const address = addressOf(new URL(url, 'http://localhost'));
  try {
    const request = { ...address, method, headers, from, now: Date.now() / 1000, ...(user && { user }) };
    return explain(manifests, request).outcomes;
  } catch (error) {
    if (!(error instanceof UnknownSource)) throw error;
    throw new Finding({ expected: `a workload ${from}`, seen: error.message });
  }
}

/** @throws {Finding} for what the model does not know */
function requireKnown(manifests: Manifest[]): void {
  try {
    readManifests(manifests);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    const [first = '', ...others] = error.problems;
    const more = others.length > 0 ? `, and ${others.length} more` : '';
    throw new Finding({ expected: 'manifests that Istio takes', seen: first + more });
  }
}

function modelled(manifests: Manifest[], question: MeshQuestion): Seen {
  const seen: Seen = {};
  for (const it of outcomesOf(manifests, question)) {
    const kind = words(question, it, it.seconds);
    seen[kind] = (seen[kind] ?? 0) + it.probability;
  }
  return seen;
}

/** How much of what was seen has each of the expected words, and of what has none of them. */
function sorted(seen: Seen, { expected }: MeshQuestion): Seen {
  const kinds: Seen = {};
  for (const [answer, amount] of Object.entries(seen)) {
    const fits = (it: string) => (/^\d+$/.test(it) ? answer === it : answer.includes(it));
    const kind = Object.keys(expected).find(fits) ?? answer;
    kinds[kind] = (kinds[kind] ?? 0) + amount;
  }
  return kinds;
}

const percent = (share: number): string => `${Number((100 * share).toFixed(1))} %`;
const told = (shares: Seen): string =>
  Object.entries(shares)
    .sort(([, a], [, b]) => b - a)
    .map(([answer, share]) => (share === 1 ? answer : `${percent(share)} ${answer}`))
    .join(', ');

/** What is wrong with what was seen, if anything: of a model exactly, of a cluster as far as chance can tell. */
function judge(question: MeshQuestion, seen: Seen, exact: boolean): FindingWords | undefined {
  const { expected } = question;
  const kinds = sorted(seen, question);
  const equal = Object.keys({ ...kinds, ...expected }).every(
    (it) => Math.abs((kinds[it] ?? 0) - (expected[it] ?? 0)) < 1e-6,
  );
  if (exact ? equal : fit(kinds, expected) > DOUBT) return undefined;
  const total = Object.values(seen).reduce((sum, amount) => sum + amount, 0);
  const shares = Object.fromEntries(Object.entries(seen).map(([answer, amount]) => [answer, amount / total]));
  return { expected: told(expected), seen: told(shares) };
}

/** What a cluster says, asked from outside or from a pod. */
async function observed(cluster: ClusterAccess, question: MeshQuestion): Promise<Seen> {
  try {
    return count(await (question.from ? fromPod(cluster, question, question.from) : fromOutside(cluster, question)));
  } catch (error) {
    // Nobody lets us in, or signs us in: that is an answer, too.
    if (error instanceof Obstacle) return { [error.problem]: question.times };
    throw error;
  }
}

async function fromOutside({ gateway }: ClusterAccess, question: MeshQuestion): Promise<string[]> {
  const { method = 'GET', url, headers = {}, form, user, times } = question;
  const visitor = new Visitor(await gateway());
  const cookie = user ? await visitor.signIn(user) : {};
  const pages = await visitor.ask(times, {
    path: url,
    method,
    headers: { ...headers, ...cookie },
    ...(form && { form }),
  });
  return pages.map(({ status, body, seconds, headers: { 'x-service-version': version } }) => {
    const answer = { status, body, ...(typeof version === 'string' && { version }) };
    return words(question, readAnswer(answer), seconds);
  });
}

/** Every program of the shop is one of Node.js, so each of its pods can ask. */
const ASK = `
const [url, method, headers, times, atOnce, everyMs] = JSON.parse(process.argv[1]);
const answers = [];
let left = times;
const one = async (_, i) => {
  await new Promise((resolve) => setTimeout(resolve, i * everyMs));
  while (left-- > 0) {
    const answer = await fetch(url, { method, headers: { connection: 'close', ...headers }, signal: AbortSignal.timeout(9000),
      ...(method === 'POST' && { headers: { 'content-type': 'application/json', ...headers }, body: '{"Reviewer1":5,"Reviewer2":4}' }) })
      .then(async (it) => ({ status: it.status, version: it.headers.get('x-service-version') ?? undefined, body: await it.text() }),
        (error) => ({ status: 0, body: String(error.cause?.code ?? error.name) }));
    answers.push(answer);
  }
};
await Promise.all(Array.from({ length: atOnce }, one));
console.log(JSON.stringify(answers));`;

/** What a pod asks. */
export interface PodWish extends Pick<MeshQuestion, 'url' | 'method' | 'headers' | 'times'> {
  /** So many at once, of which each begins so much later than the one before; by default one. */
  atOnce?: number;
  everyMs?: number;
}

/** Asks from a workload, `reviews-v2` or `outsider.legacy`: through its sidecar, if it has one. */
export async function askFromPod({ kubectl }: ClusterAccess, from: string, wish: PodWish): Promise<RawAnswer[]> {
  const { url, method = 'GET', headers = {}, times, atOnce = 1, everyMs = 0 } = wish;
  const [workload = '', namespace = 'default'] = from.split('.');
  const exec = ['exec', `--namespace=${namespace}`, `deployment/${workload}`];
  const container = `--container=${workload.replace(/-v\d+$/, '')}`;
  const asked = JSON.stringify([url, method, headers, times, atOnce, everyMs]);
  const program = ['node', '--input-type=module', '--eval', ASK, asked];
  return JSON.parse(await kubectl(...exec, container, '--', ...program)) as RawAnswer[];
}

const fromPod = async (cluster: ClusterAccess, question: MeshQuestion, from: string): Promise<string[]> =>
  (await askFromPod(cluster, from, question)).map((it) => inWords(readAnswer(it)));

/** Longer than what was applied takes to every proxy. */
const ARRIVAL_MS = 15_000;

/** A mesh to ask: the model of its manifests, or with a cluster the real one. */
export class Mesh {
  readonly manifests: Manifest[];
  readonly cluster: ClusterAccess | undefined;
  /** Until then a wrong answer may be one of yesterday's rules. */
  readonly #settled = Date.now() + ARRIVAL_MS;

  /** @throws {Finding} for what the model would have to know */
  constructor(manifests: Manifest[], cluster: ClusterAccess | undefined) {
    if (!cluster) requireKnown(manifests);
    this.manifests = manifests;
    this.cluster = cluster;
  }

  /** The answers to a question, in words, to their share; of a cluster to how many there were. */
  async answers(question: MeshQuestion): Promise<Seen> {
    return this.cluster ? observed(this.cluster, question) : modelled(this.manifests, question);
  }

  /** What is wrong with the answers to a question, if anything; of the model with the cause. */
  async ask(question: MeshQuestion): Promise<FindingWords | undefined> {
    if (this.cluster) return this.#observe(question);
    const wrong = judge(question, await this.answers(question), true);
    if (!wrong) return undefined;
    const [cause] = outcomesOf(this.manifests, question).flatMap(({ reason }) => reason ?? []);
    return { ...wrong, ...(cause !== undefined && { cause }) };
  }

  async #observe(question: MeshQuestion): Promise<FindingWords | undefined> {
    for (; ; await setTimeout(500)) {
      const wrong = judge(question, await this.answers(question), false);
      if (!wrong || Date.now() > this.#settled) return wrong;
    }
  }
}
