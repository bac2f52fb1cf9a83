/** An explanation as lines of text, for people. */
import type { Explanation, Skipped, Step } from './explain.ts';
import { type Outcome, percent } from './outcomes.ts';

/** What a line is about, for a terminal that can show it: `skipped` is dim, `answer` is bold. */
export interface Line {
  text: string;
  kind: 'step' | 'skipped' | 'answer' | 'remark';
}

export function render({ steps, outcomes, undecided, notes }: Explanation): Line[] {
  const line = (kind: Line['kind']) => (text: string) => ({ text, kind });
  return [
    ...tree(steps),
    line('step')(''),
    ...outcomes.map(summary).map(line('answer')),
    ...(undecided.length + notes.length > 0 ? [line('step')('')] : []),
    ...undecided.map((it) => `undefined: ${it}`).map(line('remark')),
    ...notes.map((it) => `note: ${it}`).map(line('remark')),
  ];
}

function tree(steps: Step[], indent = ''): Line[] {
  return steps.flatMap(({ text, share, skipped, steps: inner }, i): Line[] => {
    const last = i === steps.length - 1;
    const below = indent + (last ? '   ' : '│  ');
    return [
      {
        text: `${indent}${last ? '└─ ' : '├─ '}${share === undefined ? '' : `${percent(share)} `}${text}`,
        kind: 'step',
      },
      ...skipped.map((it): Line => ({ text: `${below}✗ not ${it.ref}: ${it.reason}`, kind: 'skipped' })),
      ...tree(inner, below),
    ];
  });
}

function summary({ probability, status, by, seconds, shows, reason }: Outcome): string {
  const what = status === 'none' ? 'no answer' : status === 'unknown' ? 'an answer outside the model' : status;
  return [
    `${percent(probability).padStart(6)}  ${what} from ${by}`,
    shows.length > 0 && `: ${shows.join(', ')}`,
    seconds > 0 && ` after ${seconds} s`,
    reason && ` (${reason})`,
  ]
    .filter(Boolean)
    .join('');
}

/**
 * What would have to differ for a request to get to a workload, a version or a subset (`reviews-v2`, `v2`), or to be
 * answered with a status (`503`): a sentence for each way there.
 */
export function whyNot({ steps, outcomes }: Explanation, wanted: string): string[] {
  const all = flat(steps);
  const reached = new Map<string, number>();
  for (const { probability, status, version, by, shows } of outcomes) {
    const pods = shows.flatMap((it) => /^Reviews served by: (.*)/.exec(it)?.[1] ?? []);
    const there = [...(version ? [by] : []), ...pods].filter((it) => it === wanted || it.endsWith(`-${wanted}`));
    const ways = [
      ...there.map((it) => `get to ${it}`),
      ...(String(status) === wanted ? [`are answered ${status}`] : []),
    ];
    for (const way of ways) reached.set(way, (reached.get(way) ?? 0) + probability);
  }
  const leading = (skipped: Skipped[]) =>
    skipped.filter(({ leadsTo }) => leadsTo.includes(wanted)).map(({ ref, reason }) => `${ref} would, but ${reason}.`);
  const found = [
    ...[...reached].map(([way, share]) => `It does: ${percent(share)} of these requests ${way}.`),
    ...all.flatMap(({ skipped, unreached = [] }) => leading([...skipped, ...unreached])),
  ];
  if (found.length > 0) return [...new Set(found)];
  if (wanted === '200') return outcomes.map(({ reason = 'the program answers otherwise' }) => `Not 200: ${reason}.`);
  if (wanted === '403') {
    const allowing = all.map(({ text }) => text).filter((text) => text.endsWith('allows it'));
    return allowing.length > 0
      ? [...new Set(allowing.map((text) => `Not refused: ${text}.`))]
      : ['No AuthorizationPolicy holds for any workload on the way.'];
  }
  return [`Nothing on the way of this request leads to ${wanted}: no rule there routes to it or answers so.`];
}

/** What a visitor may suffer from on the way, and why: a sentence for each. */
export const troubles = ({ steps }: Explanation): string[] => [
  ...new Set(flat(steps).flatMap(({ trouble, text }) => (trouble ? text : []))),
];

/** Every decision on the way, outer ones first. */
export const flat = (steps: Step[]): Step[] => steps.flatMap((step) => [step, ...flat(step.steps)]);
