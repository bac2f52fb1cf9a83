/** docs/lab.md as somebody goes through it who types all of it: what each command prints is what the guide says. */
import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { DOUBT, fit } from '../lab/shares.ts';
import { copyRepository } from './exercises/copy.ts';
import { ROOT, text } from './manifests/load.ts';
import { Terminal } from './support/terminal.ts';

const { GATEWAY_URL = 'localhost', GUIDE_SKIP } = process.env;
/** Steps and lines that are left out; without it none. */
const SKIP = new RegExp(GUIDE_SKIP || '(?!)');

interface Block {
  commands: string;
  /** What the guide says that they print, or some lines of it. */
  printed: string;
}
interface Step {
  lab: string;
  title: string;
  blocks: Block[];
}

function stepsOf(markdown: string): Step[] {
  const steps: Step[] = [];
  let lab = '';
  for (const [, level, title = '', commands, printed = ''] of markdown.matchAll(
    /^(##|###) ([^\n]*)$|^```sh\n(.*?)^```\n(?:\n```text\n(.*?)^```)?/gms,
  )) {
    if (level === '##') lab = title;
    if (level) steps.push({ lab, title, blocks: [] });
    else steps.at(-1)?.blocks.push({ commands: commands ?? '', printed });
  }
  return steps.filter(({ blocks }) => blocks.length > 0);
}

/** In the order of the page, but for the tasks: they begin in a state that the clean-up ends. */
function inOrder(steps: Step[]): Step[] {
  const last = steps.filter(({ title }) => title === '4. Clean up');
  const [reset, ...tasks] = steps.filter(({ lab }) => lab === 'Tasks for the fast');
  const others = steps.filter((it) => !last.includes(it) && it !== reset && !tasks.includes(it));
  const fromReset = tasks.map((it) => ({
    ...it,
    blocks: it.blocks.flatMap((block) => [...(reset?.blocks ?? []), block]),
  }));
  return [...others, ...fromReset, ...(reset ? [reset] : []), ...last].filter(({ title }) => !SKIP.test(title));
}

/** Lines that are not typed, and why. */
const LEFT_OUT: [line: RegExp, why: string][] = [
  [/^(git clone|cd bookinfo$)/, 'the clone is there'],
  [/^docker buildx bake/, 'the images are those that the cluster has'],
  [/^kubectl config use-context/, 'the cluster is the one that kubectl points to'],
  [/^curl -L .*downloadIstio/, 'istioctl is the one on the PATH'],
  [/^export GATEWAY_URL=/, `it is ${GATEWAY_URL} here`],
  [/^kubectl port-forward .*istio-ingressgateway/, 'another way to the gateway'],
  [
    /^kubectl (apply -f istio\/addons$|.*deployment\/kiali|.*svc\/(kiali|grafana))/,
    'the addons are those that are there',
  ],
  [/^rm -r istio-/, 'it was not downloaded'],
  [/^docker (image rm|builder prune)/, 'what Docker keeps is not of this clone alone'],
  [/^pkill /, 'it ends the forwards of everybody here; ours end with the terminal'],
  [SKIP, 'GUIDE_SKIP'],
];

/** For a second terminal: it goes on until Ctrl-C. */
const TRAFFIC = /^while sleep|lab traffic .*--duration 3600/;
/** The traffic would use the limit up. */
const WITHOUT_TRAFFIC = /ratelimit/;

/** For a line: the commands of the guide wait 300 s at most, the rehearsal has four lessons. */
const SECONDS = 900;

/** Of these programs the guide prints some lines. */
const EXCERPT = /^(npx|istioctl|docker) /m;

/** Never expected. */
const TROUBLE = /^(bash|zsh|error): |^Error from server|no matches found/;

/** What programs say of what they do, which the guide does not repeat. */
const NARRATION = [
  /^\S+\/\S+ (created|configured|unchanged|deleted|restarted|(not )?labeled|condition met)/,
  /^[\w.]+ "\S+" (force )?deleted/,
  /^(Waiting for |partitioned roll out complete)/,
  /(successfully rolled out|rolling update complete)/,
  // Of another program that runs.
  /^\S+ +(\d+)\/\1 +Running /,
];

/** A line without what differs from cluster to cluster and from day to day. */
function shape(line: string): string {
  const words = line.trim().replace(/\s+/g, ' ');
  if (/^(✓|\d+$)/.test(words)) return words;
  return words
    .replace(/-[0-9a-f]{7,10}-[a-z0-9]{5}\b/g, '-POD')
    .replace(/\b[0-9a-f]{16,}\b/g, '#')
    .replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, '#')
    .replace(/http:\/\/[^/ ]+/, 'http://#')
    .replace(/(LoadBalancer \S+) \S+/, '$1 #')
    .replace(/\b(\d+[dhms])+\b/g, '#')
    .replace(/\d+\/TCP/g, '#/TCP')
    .replace(/(?<![\w/])\d+([.:]\d+)*(e-\d+)?(?![\w/])/g, '#')
    .replace(/# m?s\b/g, '#');
}

/** What `uniq -c` prints. */
const TALLY = /^ +(\d+) (.+)$/;

type Part = { line: string } | { tally: Record<string, number> };

/** Lines, and of those that count something each count as a whole. */
function partsOf(output: string): Part[] {
  const parts: Part[] = [];
  for (const line of output.split('\n').filter((it) => it.trim())) {
    const [, hits, kind = ''] = TALLY.exec(line) ?? [];
    const last = parts.at(-1);
    if (hits === undefined) parts.push({ line });
    else if (last && 'tally' in last && !(kind in last.tally)) last.tally[kind] = Number(hits);
    else parts.push({ tally: { [kind]: Number(hits) } });
  }
  return parts;
}

/** Whether something printed is what the guide prints there. */
function isLike(seen: Part, said: Part): boolean {
  if ('tally' in seen && 'tally' in said) {
    const total = (tally: Record<string, number>) => Object.values(tally).reduce((sum, it) => sum + it, 0);
    if (total(seen.tally) !== total(said.tally)) return false;
    // Versions come by chance, statuses do not.
    if (Object.keys(said.tally).every((kind) => /^\d{3}$/.test(kind)))
      return JSON.stringify(seen.tally) === JSON.stringify(said.tally);
    const shares = Object.entries(said.tally).map(([kind, hits]) => [kind, hits / total(said.tally)]);
    return fit(seen.tally, Object.fromEntries(shares)) > DOUBT;
  }
  if (!('line' in seen && 'line' in said)) return false;
  const [took, meant] = [seen, said].map(({ line }) => Number(/^after ([\d.]+) s$/.exec(line)?.[1]));
  if (took && meant) return took > 0.9 * meant && took < meant + 2;
  const [before = '', after] = shape(said.line).split(' … ');
  if (after === undefined) return shape(seen.line) === before;
  return shape(seen.line).startsWith(before) && shape(seen.line).endsWith(after);
}

/** What is not as the guide says: lines of it that did not come, and lines that nobody expects. */
function differences({ commands, printed }: Block, output: string): string[] {
  const seen = partsOf(output);
  const missing: Part[] = [];
  const surplus: Part[] = [];
  let next = 0;
  for (const said of partsOf(printed)) {
    const found = seen.findIndex((it, i) => i >= next && isLike(it, said));
    if (found < 0) missing.push(said);
    else {
      surplus.push(...seen.slice(next, found));
      next = found + 1;
    }
  }
  surplus.push(...seen.slice(next));
  const words = (it: Part) => ('line' in it ? it.line : JSON.stringify(it.tally));
  const isStrange =
    printed === '' || EXCERPT.test(commands)
      ? (it: Part) => TROUBLE.test(words(it))
      : (it: Part) => !NARRATION.some((pattern) => pattern.test(words(it)));
  return [
    ...missing.map((it) => `missing: ${words(it)}`),
    ...surplus.filter(isStrange).map((it) => `unexpected: ${words(it)}`),
  ];
}

const say = (line: string): void => console.log(`${new Date().toTimeString().slice(0, 8)} ${line}`);

const isInstalled = (program: string): boolean => spawnSync('which', [program]).status === 0;

describe.each(['bash', 'zsh'] as const)('%s', (shell) => {
  let clone: string;
  let terminal: Terminal;
  let second: Terminal;
  let traffic = '';

  beforeAll(async () => {
    for (const program of [shell, 'python3', 'kubectl', 'istioctl'])
      if (!isInstalled(program)) throw new Error(`${program} is missing`);
    clone = await copyRepository();
    // As a student has it, without what this test's own programs put there.
    const { NODE_ENV, ...own } = process.env;
    const env = Object.fromEntries(Object.entries(own).filter(([name]) => !name.startsWith('VITEST')));
    const path = env.PATH?.split(':').filter((folder) => !folder.startsWith(ROOT));
    const open = async () => {
      const opened = new Terminal(shell, clone, { ...env, PATH: path?.join(':'), GATEWAY_URL });
      await opened.prompt(30);
      return opened;
    };
    [terminal, second] = [await open(), await open()];
  });
  afterAll(async () => {
    await terminal?.[Symbol.asyncDispose]();
    await second?.[Symbol.asyncDispose]();
    if (clone) rmSync(clone, { recursive: true, force: true });
  });

  async function follow(block: Block): Promise<void> {
    const quiet = traffic !== '' && WITHOUT_TRAFFIC.test(block.commands);
    if (quiet) await second.interrupt();
    let output = '';
    for (const line of block.commands.trimEnd().split('\n')) {
      const [, why] = LEFT_OUT.find(([pattern]) => pattern.test(line)) ?? [];
      say(why ? `  (${line}: not typed, ${why})` : `$ ${line}`);
      if (why) continue;
      if (TRAFFIC.test(line)) {
        if (traffic) await second.interrupt();
        traffic = line;
        second.start(line);
      } else output += await terminal.type(line, SECONDS);
    }
    if (quiet) second.start(traffic);
    expect.soft(differences(block, output), `${block.commands}\nprinted\n${output}`).toEqual([]);
  }

  test.each(inOrder(stepsOf(text('docs/lab.md'))))('$lab > $title', async ({ blocks }) => {
    for (const block of blocks) await follow(block);
  });
});
