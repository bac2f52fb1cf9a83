/** Answers of Bookinfo, real or modelled, in the same words, so that they can be counted and compared. */
import type { Outcome } from './outcomes.ts';

export type Answer = Pick<Outcome, 'status' | 'version' | 'shows'>;

/** What a program got for a request. */
export interface RawAnswer {
  /** 0: no answer. */
  status: number;
  /** `x-service-version`, which Envoy's own answers lack. */
  version?: string;
  body: string;
}

/** A real answer as the model would say it. */
export function readAnswer({ status, version, body }: RawAnswer): Answer {
  const page = version && status === 200 && (body.includes('Simple Bookstore App') || body.includes('"podname"'));
  return { status: status === 0 ? 'none' : status, ...(version && { version }), shows: page ? shown(body) : [] };
}

function shown(body: string): string[] {
  if (!body.startsWith('<')) return [ratings(body, body.includes('"stars"'))];
  const pod = /Reviews served by:[^a-z]*(?:<[^>]+>\s*)*(reviews-v\d)/.exec(body)?.[1];
  return [
    body.includes('Error fetching product details') ? 'Error fetching product details' : 'Book Details',
    pod ? `Reviews served by: ${pod}` : 'Error fetching product reviews',
    ...(pod ? [ratings(body, /glyphicon-star/.test(body))] : []),
  ];
}
const ratings = (body: string, stars: boolean): string =>
  body.includes('Ratings service is currently unavailable') ? 'no ratings' : stars ? 'stars' : 'no stars';

/** `200 v1 (Book Details, Reviews served by: reviews-v3, stars)`: without colours, which the page says in CSS. */
export function inWords({ status, version, shows }: Answer): string {
  const words = shows.map((it) =>
    it.endsWith(' stars') && it !== 'no stars' ? 'stars' : it.startsWith('Ratings service') ? 'no ratings' : it,
  );
  const told = version && status === 200 && words.length > 0 ? `(${words.join(', ')})` : undefined;
  return [status, version, told].filter(Boolean).join(' ');
}
