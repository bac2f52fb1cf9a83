import { type App, connectOrigin, HttpError } from '@bookinfo/chassis';
import type { BookDetails } from '@bookinfo/contract';
import type { FastifyBaseLogger } from 'fastify';
import type { Static } from 'typebox';
import type { Config } from './config.ts';

/** "The Comedy of Errors" in the Dover edition; the book the original sample looks up. */
const ISBN = '0486424618';
const TIMEOUT_MS = 5000;

/** The part of a volume that we read: https://developers.google.com/books/docs/v1/reference/volumes */
const Volumes = {
  type: 'object',
  required: ['items'],
  properties: {
    items: {
      type: 'array',
      minItems: 1,
      items: {
        type: 'object',
        required: ['volumeInfo'],
        properties: {
          volumeInfo: {
            type: 'object',
            properties: {
              authors: { type: 'array', items: { type: 'string' }, minItems: 1 },
              publishedDate: { type: 'string' },
              publisher: { type: 'string' },
              pageCount: { type: 'integer' },
              printType: { type: 'string' },
              language: { type: 'string' },
              industryIdentifiers: {
                type: 'array',
                items: {
                  type: 'object',
                  required: ['type', 'identifier'],
                  properties: { type: { type: 'string' }, identifier: { type: 'string' } },
                },
              },
            },
          },
        },
      },
    },
  },
} as const;
type Volume = Static<typeof Volumes>['items'][number]['volumeInfo'];

export interface GoogleBooks {
  /** @throws {HttpError} 504 when Google Books is too slow, 502 when it fails or answers something else */
  find(id: number, log: FastifyBaseLogger): Promise<BookDetails>;
}

export function connectGoogleBooks(app: App, config: Config): GoogleBooks {
  const base = new URL(config.EXTERNAL_BOOK_SERVICE_URL);
  if (config.DO_NOT_ENCRYPT) base.protocol = 'http:';
  const volumes = connectOrigin(app, 'Google Books', base.origin, {
    route: `${base.pathname.replace(/\/$/, '')}/books/v1/volumes?q=isbn:${ISBN}` as const,
    schema: Volumes,
    timeoutMs: TIMEOUT_MS,
  });

  return {
    async find(id, log) {
      // No header of the incoming request goes along: who asks is none of this host's business.
      const answer = await volumes.get({}, { headers: { accept: 'application/json' }, log });
      if (answer.ok) return toBookDetails(id, answer.body.items[0]?.volumeInfo ?? {});
      switch (answer.reason.code) {
        case 'timeout':
          throw new HttpError(504, `Google Books did not answer within ${TIMEOUT_MS / 1000} s`);
        case 'body':
          throw new HttpError(502, 'Google Books answered something unexpected');
        default:
          throw new HttpError(502, 'Google Books is not reachable');
      }
    },
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
