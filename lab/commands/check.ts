/** Where a student is in the lab, and whether it is as it should be there. */
import { styleText } from 'node:util';
import { Command, InvalidArgumentError } from '@commander-js/extra-typings';
import { type Static, Type } from 'typebox';
import { ask, type Finding, seen } from '../checks.ts';
import { type Cluster, connect } from '../kubectl.ts';
import { addPassed, type Passed, passedFile, readPassed } from '../passed.ts';
import { Shop } from '../shop.ts';
import { isDeclared, type Moment, STEPS, type Step } from '../steps.ts';

export const check = new Command('check')
  .summary('what should be true now, what is, and why not')
  .description('Looks at your own cluster after a step of docs/lab.md, and changes nothing in it.')
  .argument(
    '[step...]',
    `such as 2.2: one of ${STEPS.map(({ id }) => id).join(' ')}; without it, wherever you are`,
    readStep,
  )
  .option('--context <name>', 'of kubectl, instead of the current one')
  .option('--json', 'for programs')
  .addHelpText(
    'after',
    `
A step's rules are replaced by those of the next one, so a check looks for the step whose rules are there now;
what was passed is remembered, by cluster, in ${await passedFile()}.
Exit code 1: something is not as it should be.`,
  )
  .action(async (steps, { context, json }) => {
    const cluster = await connect({ context });
    const result = await examine(cluster, steps ?? [], await passedFile());
    if (json) console.log(JSON.stringify(result));
    else print(result, steps !== undefined);
    if (result.steps.some(({ state }) => state === 'failed')) process.exitCode = 1;
  });

function readStep(id: string, before: Step[] = []): Step[] {
  const step = STEPS.find((it) => it.id === id);
  if (step) return [...before, step];
  throw new InvalidArgumentError(`The steps are ${STEPS.map((it) => it.id).join(' ')}.`);
}

/** `earlier`: passed before, and not looked at now. */
type State = 'passed' | 'failed' | 'earlier' | 'open';

interface Answer extends Finding {
  wanted: string;
}

interface StepResult {
  id: string;
  title: string;
  state: State;
  /** The moments that the cluster is in. */
  now: string[];
  answers: Answer[];
}

export interface Result {
  context: string;
  /** The same as long as the cluster is. */
  cluster: string;
  at: string;
  steps: StepResult[];
  /** When each moment was passed first. */
  passed: Passed;
  /** To hand in. */
  line: string;
}

const Namespace = Type.Object({ metadata: Type.Object({ uid: Type.String() }) });

/**
 * Asks for these steps; for none, for all that the cluster seems to be in.
 * @param file where it is kept what was passed
 */
export async function examine(cluster: Cluster, asked: Step[], file: string): Promise<Result> {
  const shop = await Shop.open(cluster);
  const { metadata }: Static<typeof Namespace> = await cluster.get(Namespace, 'namespace', 'kube-system');
  const before = readPassed(file, metadata.uid);
  const at = new Date().toISOString();
  const fresh: Passed = {};
  const cleaned = Object.keys(before).length > 0 && !shop.meshed;
  const here = STEPS.flatMap(({ moments }) => moments).filter((it) => isDeclared(shop, it));
  const alone = here.find((it) => it.alone);
  const steps: StepResult[] = [];
  for (const step of STEPS) {
    const { id, title, lasting = [], moments } = step;
    const now = moments.filter((it) => (alone ? it === alone : here.includes(it)));
    const wanted = asked.includes(step);
    const known = Object.keys(before).some((key) => key.startsWith(`${id} `));
    // What was never passed waits for the steps before it: their failure says it all.
    const waits = !known && steps.some((it) => it.state === 'failed');
    const looked = asked.length > 0 ? wanted : lasting.length > 0 ? !cleaned && !waits : now.length > 0;
    if (!looked) {
      steps.push({ id, title, state: known ? 'earlier' : 'open', now: [], answers: [] });
      continue;
    }
    const tried = now.length > 0 ? now : wanted && lasting.length === 0 ? [nearest(shop, moments)] : [];
    const answers: Answer[] = [];
    const inquire = async (checks: Moment['checks']): Promise<boolean> => {
      const own: Answer[] = [];
      for (const it of checks) own.push({ wanted: it.wanted, ...(await ask(it, shop)) });
      answers.push(...own);
      return own.every(({ ok }) => ok);
    };
    const lasts = await inquire(lasting);
    if (lasting.length > 0 && lasts) fresh[`${id} done`] = at;
    for (const moment of tried) if (await inquire(moment.checks)) fresh[`${id} ${moment.name}`] = at;
    const state = answers.every(({ ok }) => ok) ? 'passed' : 'failed';
    steps.push({ id, title, state, now: tried.map(({ name }) => name), answers });
  }
  const open = steps.some(({ id, state }) => id === '1.3' && state === 'passed');
  if (asked.length === 0 && here.length === 0 && open) steps.push(await elsewhere(shop));
  const passed = addPassed(file, metadata.uid, { ...before, ...fresh });
  const result = { context: cluster.context, cluster: metadata.uid, at, steps, passed };
  return { ...result, line: handIn(result) };
}

/** Of the moments of a step, the one of which most is declared. */
function nearest(shop: Shop, moments: Moment[]): Moment {
  const declared = ({ checks }: Moment) => checks.filter((it) => it.declared?.(shop)).length;
  const [first, ...others] = moments;
  if (!first) throw new Error('a step has something to look at');
  return others.reduce((best, it) => (declared(it) > declared(best) ? it : best), first);
}

/** The routing is of no step: a student's own, or a mistake. */
async function elsewhere(shop: Shop): Promise<StepResult> {
  const answer = await seen(shop);
  return {
    id: '?',
    title: 'Rules that are of no step of the guide',
    state: answer.ok ? 'open' : 'failed',
    now: [],
    answers: [{ wanted: 'whole pages', ...answer }],
  };
}

function handIn({ steps, passed, context, cluster, at }: Omit<Result, 'line'>): string {
  const done = STEPS.filter(({ id }) => Object.keys(passed).some((key) => key.startsWith(`${id} `))).map(
    ({ id }) => id,
  );
  const failed = steps.filter(({ state }) => state === 'failed').map(({ id }) => id);
  return [
    `lab check: ${done.length} of ${STEPS.length} steps passed${done.length > 0 ? ` (${done.join(' ')})` : ''}`,
    failed.length > 0 ? `failing now: ${failed.join(' ')}` : 'nothing fails now',
    `${context} ${cluster.slice(0, 8)} ${at.slice(0, 19)}Z`,
  ].join('; ');
}

const MARKS = {
  passed: styleText('green', '✓'),
  failed: styleText('red', '✗'),
  earlier: styleText('dim', '✓'),
  open: styleText('dim', '·'),
};

function print({ steps, line, passed }: Result, asked: boolean): void {
  const last = steps.findLastIndex(({ state }) => state !== 'open');
  for (const [i, { id, title, state, now, answers }] of steps.entries()) {
    const looked = answers.length > 0;
    // What is far ahead is no news; neither is the rest to somebody who has asked for a step.
    if (!looked && (asked || i > last + 1)) continue;
    const since = Object.entries(passed).find(([key]) => key.startsWith(`${id} `))?.[1];
    const earlier = since ? `, passed at ${new Date(since).toLocaleTimeString('en-GB').slice(0, 5)}` : '';
    const open = i > last ? ', next' : ', not seen yet';
    const remark = looked ? now.map((it) => `: ${it}`).join('') : state === 'earlier' ? earlier : open;
    const text = `${id.padEnd(4)}${title}${remark}`;
    console.log(`${MARKS[state]} ${looked ? text : styleText('dim', text)}`);
    for (const it of answers) if (!it.ok || it.causes) explainTo(it);
  }
  console.log(`\n${line}`);
}

function explainTo({ ok, wanted, found, causes = [], look }: Answer): void {
  const rows: [string, string][] = [
    ['wanted', wanted],
    ['found', found],
    ...causes.map((it): [string, string] => ['because', it]),
    ...(look && !ok ? [['look', look] as [string, string]] : []),
  ];
  for (const [name, text] of rows) console.log(`      ${styleText('dim', name.padEnd(8))}${text}`);
}
