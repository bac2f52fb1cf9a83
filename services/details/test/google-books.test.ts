import { describe, expect, test } from 'vitest';
import { freePort } from '../../../local/free-port.ts';
import { receiveOtlp } from '../../../local/otlp.ts';
import { failuresOf, stallsOf } from '../../../test/support/failures.ts';
import { start, useService } from '../../../test/support/service.ts';
import { answers, openStub, useStub } from '../../../test/support/stub.ts';

/** What Google Books answers for the ISBN, shortened. */
const VOLUMES = {
  kind: 'books#volumes',
  totalItems: 1,
  items: [
    {
      kind: 'books#volume',
      id: 'VoDUAAAAMAAJ',
      volumeInfo: {
        title: 'The Comedy of Errors',
        authors: ['William Shakespeare', 'Somebody Else'],
        publisher: 'Courier Corporation',
        publishedDate: '2002-01-01',
        industryIdentifiers: [
          { type: 'ISBN_13', identifier: '9780486424613' },
          { type: 'ISBN_10', identifier: '0486424618' },
        ],
        pageCount: 49,
        printType: 'BOOK',
        language: 'en',
      },
    },
  ],
};
const volumes = (volumeInfo: object) => ({ items: [{ volumeInfo }] });

/** What in a request says who has sent it. */
const IDENTIFYING = {
  cookie: 'session=secret',
  authorization: 'Bearer secret',
  jwt: 'secret',
  'end-user': 'jason',
  user: 'jason',
  'user-agent': 'curl/8',
  'x-request-id': 'abc',
  'x-forwarded-for': '10.0.0.1',
  baggage: 'userId=jason',
  tracestate: 'vendor=jason',
};
const TRACEPARENT = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';

/** Details v2, with a stub in the place of Google Books. */
const external = (port: number) => ({
  ENABLE_EXTERNAL_BOOK_SERVICE: 'true',
  EXTERNAL_BOOK_SERVICE_URL: `http://127.0.0.1:${port}`,
});

describe('details v2', () => {
  const google = useStub(answers(VOLUMES));
  const details = useService('details', () => external(google.port));

  test('asks Google Books by ISBN and answers in the shape of v1', async () => {
    google.behave(answers(VOLUMES));
    const { status, json } = await details.request('/details/3');
    expect(status).toBe(200);
    expect(json).toEqual({
      id: 3,
      author: 'William Shakespeare',
      year: '2002-01-01',
      type: 'paperback',
      pages: 49,
      publisher: 'Courier Corporation',
      language: 'English',
      'ISBN-10': '0486424618',
      'ISBN-13': '9780486424613',
    });
    expect(google.received.at(-1)).toMatchObject({ method: 'GET', path: '/books/v1/volumes?q=isbn:0486424618' });
  });

  test('says unknown for what Google Books leaves out or what it does not know', async () => {
    google.behave(answers(volumes({ printType: 'MAGAZINE', language: 'fr' })));
    expect((await details.request('/details/0')).json).toEqual({
      id: 0,
      author: 'unknown',
      year: 'unknown',
      type: 'unknown',
      pages: 0,
      publisher: 'unknown',
      language: 'unknown',
      'ISBN-10': 'unknown',
      'ISBN-13': 'unknown',
    });
  });

  test('tells the outside host nothing about who asks', async () => {
    google.behave(answers(VOLUMES));
    await details.request('/details/0', { headers: { ...IDENTIFYING, traceparent: TRACEPARENT } });
    expect(Object.keys(google.received.at(-1)?.headers ?? {}).toSorted()).toEqual(['accept', 'connection', 'host']);
  });

  test('tells the outside host nothing about who asks while it traces either', async () => {
    google.behave(answers(VOLUMES));
    await using collector = await receiveOtlp(() => {});
    await using traced = await start('details', { ...external(google.port), ...collector.env });
    await traced.request('/details/0', { headers: { ...IDENTIFYING, traceparent: TRACEPARENT } });
    expect(Object.keys(google.received.at(-1)?.headers ?? {}).toSorted()).toEqual(['accept', 'connection', 'host']);
  });

  test('checks the id before it asks', async () => {
    const before = google.received.length;
    expect(await details.request('/details/abc')).toMatchObject({ status: 400 });
    expect(google.received.length).toBe(before);
  });

  test.each(failuresOf(VOLUMES))('answers 502 with a reason when Google Books $name', async ({ behaviour }) => {
    google.behave(behaviour);
    const { status, json } = await details.request('/details/0');
    expect(status).toBe(502);
    expect(json).toEqual({ error: expect.stringMatching(/^Google Books /) });
  });

  test.each([
    ['has no such book', { kind: 'books#volumes', totalItems: 0 }],
    ['has an empty list', { items: [] }],
    ['counts pages in words', volumes({ pageCount: 'many' })],
    ['has an author that is no text', volumes({ authors: [null] })],
  ])('answers 502 when Google Books %s', async (_what, body) => {
    google.behave(answers(body));
    expect(await details.request('/details/0')).toMatchObject({ status: 502 });
  });

  test.concurrent.each(stallsOf(VOLUMES))('answers 504 when Google Books $name', async ({ behaviour }) => {
    await using slow = await openStub(behaviour);
    await using service = await start('details', external(slow.port));
    const { status, json } = await service.request('/details/0');
    expect(status).toBe(504);
    expect(json).toEqual({ error: 'Google Books did not answer within 5 s' });
  });
});

describe('details v2 and TLS', () => {
  test.concurrent('answers 502 when nobody listens', async () => {
    await using details = await start('details', external(await freePort()));
    expect(await details.request('/details/0')).toMatchObject({
      status: 502,
      json: { error: 'Google Books is not reachable' },
    });
  });

  test.concurrent('speaks TLS to an https address', async () => {
    await using plain = await openStub(answers(VOLUMES));
    await using details = await start('details', {
      ...external(0),
      EXTERNAL_BOOK_SERVICE_URL: `https://127.0.0.1:${plain.port}`,
    });
    expect(await details.request('/details/0')).toMatchObject({ status: 502 });
    expect(plain.received).toEqual([]);
  });

  test.concurrent('speaks plain HTTP with DO_NOT_ENCRYPT and leaves TLS to the mesh', async () => {
    await using plain = await openStub(answers(VOLUMES));
    await using details = await start('details', {
      ...external(0),
      EXTERNAL_BOOK_SERVICE_URL: `https://127.0.0.1:${plain.port}`,
      DO_NOT_ENCRYPT: 'true',
    });
    expect(await details.request('/details/0')).toMatchObject({ status: 200 });
    expect(plain.received).toHaveLength(1);
  });
});
