/** Answers of a mesh, real or modelled, in words that can be counted and compared. */
import { createHash } from 'node:crypto';
import type { Outcome } from '../../src/index.ts';
import type { Case } from './cases.ts';

/** What a program got for a request. */
export interface RawAnswer {
  /** 0: no answer. */
  status: number;
  /** `x-service-version`, which Envoy's own answers lack. */
  version?: string;
  body: string;
  seconds: number;
}

/** What came of a question of a case, in the order of its questions. */
export interface RecordedProbe {
  /** By key; how often, and the slowest in seconds. */
  answers: Record<string, { count: number; seconds: number }>;
  /** What Envoy said when it answered itself. */
  bodies: string[];
}
export interface RecordedCase {
  name: string;
  /** Of the manifests and the questions: a case that has changed since must be recorded anew. */
  digest: string;
  probes: RecordedProbe[];
}
export interface Recording {
  versions: Record<'istio' | 'envoy' | 'kubernetes' | 'date', string>;
  cases: RecordedCase[];
}

export const digest = (base: object, { manifests, probes }: Case): string =>
  createHash('sha256')
    .update(JSON.stringify([base, manifests, probes]))
    .digest('hex')
    .slice(0, 16);

const key = (status: string, version: string | undefined, shows: string[]): string =>
  [status, version, ...(shows.length > 0 ? [`(${shows.join(', ')})`] : [])].filter(Boolean).join(' ');

/** What a body of Bookinfo shows, in the words of the model; colours of stars are left out, the page says them in CSS. */
function shown(body: string): string[] {
  if (body.startsWith('<')) {
    const pod = /Reviews served by:[^a-z]*(?:<[^>]+>\s*)*(reviews-v\d)/.exec(body)?.[1];
    return [
      body.includes('Error fetching product details') ? 'Error fetching product details' : 'Book Details',
      pod ? `Reviews served by: ${pod}` : 'Error fetching product reviews',
      ...(pod ? [ratings(body, /glyphicon-star/.test(body))] : []),
    ];
  }
  if (!body.includes('"podname"')) return [];
  return [ratings(body, body.includes('"stars"'))];
}
const ratings = (body: string, stars: boolean): string =>
  body.includes('Ratings service is currently unavailable') ? 'no ratings' : stars ? 'stars' : 'no stars';

export function keyOfAnswer({ status, version, body }: RawAnswer): string {
  const page = version && status === 200 && (body.includes('Simple Bookstore App') || body.includes('"podname"'));
  return key(status === 0 ? 'none' : String(status), version, page ? shown(body) : []);
}

export function keyOfOutcome({ status, version, shows }: Outcome): string {
  const words = shows.map((it) =>
    it.endsWith(' stars') && it !== 'no stars' ? 'stars' : it.startsWith('Ratings service') ? 'no ratings' : it,
  );
  return key(String(status), version, version && status === 200 ? words : []);
}

/** One line a case, so that a recording made anew shows what has changed. */
export const printed = ({ versions, cases }: Recording): string =>
  `{"versions":${JSON.stringify(versions)},"cases":[\n${cases.map((it) => JSON.stringify(it)).join(',\n')}\n]}\n`;
