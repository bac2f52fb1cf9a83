import { describe, expect, test } from 'vitest';
import { RATINGS } from '../../../test/support/bodies.ts';
import { raw } from '../../../test/support/http.ts';
import { start, useService } from '../../../test/support/service.ts';

const ratings = useService('ratings');
const post = (id: string | number, body: string, type?: string) =>
  ratings.request(`/ratings/${id}`, { method: 'POST', body, ...(type && { headers: { 'content-type': type } }) });

describe('ratings', () => {
  test('has 5 and 4 stars for every product', async () => {
    const { status, headers, text } = await ratings.request('/ratings/0');
    expect([status, text]).toEqual([200, '{"id":0,"ratings":{"Reviewer1":5,"Reviewer2":4}}']);
    expect(headers['content-type']).toMatch('application/json');
    expect((await ratings.request('/ratings/123')).json).toEqual({ ...RATINGS, id: 123 });
  });

  test('keeps what is posted, for that product alone', async () => {
    const { status, text } = await post(1, '{"Reviewer1":2,"Reviewer3":1}');
    expect([status, text]).toEqual([200, '{"id":1,"ratings":{"Reviewer1":2,"Reviewer3":1}}']);
    expect((await ratings.request('/ratings/1')).text).toBe(text);
    expect((await ratings.request('/ratings/0')).json).toEqual(RATINGS);
  });

  test('keeps the last of several posts', async () => {
    await post(2, '{"Reviewer1":2}');
    await post(2, '{"Reviewer1":3}');
    expect((await ratings.request('/ratings/2')).json).toEqual({ id: 2, ratings: { Reviewer1: 3 } });
  });

  test.each([
    'application/json',
    'application/x-www-form-urlencoded',
    'text/plain',
    'application/json; charset=utf-8',
    '',
  ])('takes JSON under the content type %j', async (type) => {
    expect(await post(3, '{"Reviewer1":1}', type)).toMatchObject({
      status: 200,
      json: { id: 3, ratings: { Reviewer1: 1 } },
    });
  });

  test('takes names in every alphabet', async () => {
    expect((await post(4, '{"독자":5}')).json).toEqual({ id: 4, ratings: { 독자: 5 } });
  });

  test.each(['{"Reviewer1":', 'Reviewer1=5', '', "{'a':1}", '\u0000', 'undefined'])(
    'refuses a body that is no JSON: %j',
    async (body) => {
      const { status, text } = await post(5, body);
      expect([status, text]).toEqual([400, '{"error":"please provide valid ratings JSON"}']);
    },
  );

  test.each([
    ['six stars', { Reviewer1: 6 }],
    ['no star', { Reviewer1: 0 }],
    ['half a star', { Reviewer1: 4.5 }],
    ['a number as text', { Reviewer1: '5' }],
    ['null', { Reviewer1: null }],
    ['true', { Reviewer1: true }],
    ['a structure', { Reviewer1: { stars: 5 } }],
    ['no name', { '': 5 }],
    ['a name of 65 characters', { ['x'.repeat(65)]: 5 }],
    ['an unbounded value under a name of 65 characters', { ['x'.repeat(65)]: 'x'.repeat(1000) }],
    ['a name with a line break', { 'a\nb': 5 }],
    ['101 reviewers', Object.fromEntries(Array.from({ length: 101 }, (_, i) => [`Reviewer${i}`, 5]))],
    ['a list', [5, 4]],
    ['a number', 5],
    ['a text', 'five'],
    ['nothing', null],
  ])('refuses %s', async (_what, body) => {
    const { status, json } = await post(6, JSON.stringify(body));
    expect(status).toBe(400);
    expect(json).toEqual({ error: expect.stringMatching(/^please provide valid ratings JSON/) });
    expect((await ratings.request('/ratings/6')).json).toEqual({ ...RATINGS, id: 6 });
  });

  test.each(['__proto__', 'constructor', 'toString'])(
    'takes the name %s, which means something to JavaScript',
    async (name) => {
      const { status, text } = await post(7, `{"${name}":3}`);
      expect([status, text]).toEqual([200, `{"id":7,"ratings":{"${name}":3}}`]);
      expect((await ratings.request('/ratings/7')).text).toBe(text);
      expect((await ratings.request('/ratings/0')).json).toEqual(RATINGS);
    },
  );

  test.each(['abc', '1x', '-1', '1.5', '0x1', '%20', '9'.repeat(400)])('wants a number and says so: %s', async (id) => {
    const wanted = [400, '{"error":"please provide numeric product ID"}'];
    const read = await ratings.request(`/ratings/${id}`);
    const written = await post(id, '{"Reviewer1":5}');
    expect([read.status, read.text]).toEqual(wanted);
    expect([written.status, written.text]).toEqual(wanted);
  });

  test.each(['PUT', 'PATCH', 'DELETE'] as const)('does not take %s', async (method) => {
    expect(await ratings.request('/ratings/0', { method, body: '{}' })).toMatchObject({ status: 405 });
  });

  test('refuses a body over 64 KiB', async () => {
    expect(await post(8, JSON.stringify({ x: 'y'.repeat(64 * 1024) }))).toMatchObject({
      status: 413,
      json: { error: expect.any(String) },
    });
  });

  test('refuses a body over 64 KiB that does not say how long it is', async () => {
    const chunk = `${(40_000).toString(16)}\r\n${'x'.repeat(40_000)}\r\n`;
    const answer = await raw(
      ratings.port,
      `POST /ratings/9 HTTP/1.1\r\nhost: a\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n${chunk}${chunk}0\r\n\r\n`,
    );
    expect(answer).toMatch(/^HTTP\/1\.1 413 /);
  });
});

test('ratings keeps 1000 products and refuses one more, but takes new ratings for those it has', async () => {
  await using full = await start('ratings');
  const fill = (id: number) => full.request(`/ratings/${id}`, { method: 'POST', body: '{"Reviewer1":1}' });
  for (let id = 0; id < 1000; id += 50) {
    const answers = await Promise.all(Array.from({ length: 50 }, (_, i) => fill(id + i)));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
  }
  expect(await fill(1000)).toMatchObject({ status: 400, json: { error: expect.stringContaining('1000 products') } });
  expect(await fill(999)).toMatchObject({ status: 200 });
  expect((await full.request('/ratings/1000')).json).toEqual({ ...RATINGS, id: 1000 });
});
