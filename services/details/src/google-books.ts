import { HttpError } from '@bookinfo/chassis';
import type { BookDetails } from '@bookinfo/contract';
import { context, propagation } from '@opentelemetry/api';
import type { FastifyBaseLogger } from 'fastify';
import { type Static, Type } from 'typebox';
import { Value } from 'typebox/value';
import { Agent } from 'undici';
import type { Config } from './config.ts';

/** "The Comedy of Errors" in the Dover edition; the book the original sample looks up. */
const ISBN = '0486424618';
const TIMEOUT_MS = 5000;
/** The real answer is about 3 KiB. */
const MAX_RESPONSE_BYTES = 1024 * 1024;

/** The part of a volume that we read: https://developers.google.com/books/docs/v1/reference/volumes */
const Volumes = Type.Object({
  items: Type.Array(
    Type.Object({
      volumeInfo: Type.Object({
        authors: Type.Optional(Type.Array(Type.String(), { minItems: 1 })),
        publishedDate: Type.Optional(Type.String()),
        publisher: Type.Optional(Type.String()),
        pageCount: Type.Optional(Type.Integer()),
        printType: Type.Optional(Type.String()),
        language: Type.Optional(Type.String()),
        industryIdentifiers: Type.Optional(Type.Array(Type.Object({ type: Type.String(), identifier: Type.String() }))),
      }),
    }),
    { minItems: 1 },
  ),
});
type Volume = Static<typeof Volumes>['items'][number]['volumeInfo'];

export interface GoogleBooks {
  /** @throws {HttpError} 504 when Google Books is too slow, 502 when it fails or answers something else */
  find(id: number, log: FastifyBaseLogger): Promise<BookDetails>;
  close(): Promise<void>;
}

export function createGoogleBooks(config: Config): GoogleBooks {
  const base = new URL(config.EXTERNAL_BOOK_SERVICE_URL);
  if (config.DO_NOT_ENCRYPT) base.protocol = 'http:';
  const agent = new Agent({ connections: 8, maxResponseSize: MAX_RESPONSE_BYTES });

  return {
    async find(id, log) {
      const signal = AbortSignal.timeout(TIMEOUT_MS);
      let answer: unknown;
      try {
        // No header of the incoming request goes along, nor the trace's baggage: who asks is none of this host's business.
        const { statusCode, body } = await context.with(propagation.deleteBaggage(context.active()), () =>
          agent.request({
            origin: base.origin,
            path: `${base.pathname.replace(/\/$/, '')}/books/v1/volumes?q=isbn:${ISBN}`,
            method: 'GET',
            headers: { accept: 'application/json' },
            signal,
          }),
        );
        const text = await body.text();
        if (statusCode !== 200) throw new Error(`answered ${statusCode}`);
        answer = JSON.parse(text);
      } catch (error) {
        log.warn({ err: error }, 'Google Books failed');
        if (signal.aborted) throw new HttpError(504, `Google Books did not answer within ${TIMEOUT_MS / 1000} s`);
        throw new HttpError(502, 'Google Books is not reachable');
      }
      if (!Value.Check(Volumes, answer)) throw new HttpError(502, 'Google Books answered something unexpected');
      return toBookDetails(id, answer.items[0]?.volumeInfo ?? {});
    },
    close: () => agent.destroy(),
  };
}

function toBookDetails(id: number, volume: Volume): BookDetails {
  const isbn = (type: string) => volume.industryIdentifiers?.find((i) => i.type === type)?.identifier ?? 'unknown';
  return {
    id,
    author: volume.authors?.[0] ?? 'unknown',
    year: volume.publishedDate ?? 'unknown',
    type: volume.printType === 'BOOK' ? 'paperback' : 'unknown',
    pages: volume.pageCount ?? 0,
    publisher: volume.publisher ?? 'unknown',
    language: volume.language === 'en' ? 'English' : 'unknown',
    'ISBN-10': isbn('ISBN_10'),
    'ISBN-13': isbn('ISBN_13'),
  };
}
