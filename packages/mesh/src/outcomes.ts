/** What can come back from a request, each with its probability. */

export interface Outcome {
  /** Of 1. */
  probability: number;
  /** `none`: no HTTP answer, the connection failed. `unknown`: the answer of something outside the model. */
  status: number | 'none' | 'unknown';
  /** Who answered: a workload (`reviews-v2`), or the rule, the policy or the proxy that did so in its place. */
  by: string;
  /** Of the workload that answered: its `version` label. */
  version?: string;
  /** In one sentence, why it is not simply the application's answer. */
  reason?: string;
  /** After how long; the time that programs take for their work counts as none. */
  seconds: number;
  /** What a reader finds in the answer: `black stars`, `Error fetching product reviews`. */
  shows: string[];
}

/** Sums of thirds and tenths, without the dust of binary fractions. */
export const round = (value: number): number => Number(value.toFixed(9));

export const outcome = (status: Outcome['status'], by: string, more: Partial<Outcome> = {}): Outcome => ({
  probability: 1,
  status,
  by,
  seconds: 0,
  shows: [],
  ...more,
});

/** Equal outcomes as one, impossible ones left out; the likeliest first. */
export function merge(outcomes: Outcome[]): Outcome[] {
  const byKey = new Map<string, Outcome>();
  for (const it of outcomes) {
    if (it.probability === 0) continue;
    const key = JSON.stringify([it.status, it.by, it.version, it.seconds, it.shows]);
    const same = byKey.get(key);
    byKey.set(key, { ...it, probability: (same?.probability ?? 0) + it.probability });
  }
  return [...byKey.values()].sort((a, b) => b.probability - a.probability);
}

/** For each outcome what follows from it (given that it happened), as one distribution. */
export const followed = (outcomes: Outcome[], next: (it: Outcome) => Outcome[]): Outcome[] =>
  weighted(outcomes.map((it) => ({ weight: it.probability, outcomes: next({ ...it, probability: 1 }) })));

export const later = (outcomes: Outcome[], seconds: number): Outcome[] =>
  outcomes.map((it) => ({ ...it, seconds: round(it.seconds + seconds) }));

/** `timedOut` in place of what comes later than `limit`, in seconds. */
export const within = (outcomes: Outcome[], limit: number, timedOut: Outcome): Outcome[] =>
  followed(outcomes, (it) => [it.seconds > limit ? { ...timedOut, seconds: limit } : it]);

/** One of several, each with its weight. */
export function weighted(choices: { weight: number; outcomes: Outcome[] }[]): Outcome[] {
  const total = choices.reduce((sum, { weight }) => sum + weight, 0);
  return merge(
    choices.flatMap(({ weight, outcomes }) =>
      outcomes.map((it) => ({ ...it, probability: (it.probability * weight) / total })),
    ),
  );
}

export const percent = (probability: number): string => `${Number((probability * 100).toFixed(4))} %`;
