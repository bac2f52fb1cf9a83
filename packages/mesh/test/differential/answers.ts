/** What a real mesh answered, as it is kept beside this file. */
import { createHash } from 'node:crypto';
import type { Case } from './cases.ts';

/** What came of a question of a case, in the order of its questions. */
export interface RecordedProbe {
  /** By key; how often, and the slowest in seconds. */
  answers: Record<string, { count: number; seconds: number }>;
  /** What Envoy said when it answered itself. */
  bodies: string[];
}
export interface RecordedCase {
  name: string;
  /** Of the manifests, as far as answers depend on them, and the questions: a case that has changed since must be recorded anew. */
  digest: string;
  probes: RecordedProbe[];
}
export interface Recording {
  versions: Record<'istio' | 'envoy' | 'kubernetes' | 'date', string>;
  cases: RecordedCase[];
}

/** What is between the kubelet and its node: no answer of the mesh depends on it. */
const OF_THE_NODE = /^(resources|securityContext|lifecycle|\w+Probe|volumes|volumeMounts|image|imagePullPolicy)$/;

export const digest = (base: object, { manifests, probes }: Case): string =>
  createHash('sha256')
    .update(JSON.stringify([base, manifests, probes], (key, value) => (OF_THE_NODE.test(key) ? undefined : value)))
    .digest('hex')
    .slice(0, 16);

/** One line a case, so that a recording made anew shows what has changed. */
export const printed = ({ versions, cases }: Recording): string =>
  `{"versions":${JSON.stringify(versions)},"cases":[\n${cases.map((it) => JSON.stringify(it)).join(',\n')}\n]}\n`;
