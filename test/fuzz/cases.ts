import fc from 'fast-check';

/** One request as it goes over the wire, good or broken. */
export interface Case {
  bytes: Buffer;
  /** Whether an answer, or the end of the connection, is owed. Of a request that breaks off nothing is. */
  isWhole: boolean;
}

/** Begins whatever is planted: in the environment of services, and in requests where it must stay between two parties. */
export const PLANTED = 'planted-secret';
/** The id of a request that hides in the body of another one. */
export const SMUGGLED = 'smuggled-request';

/** `count` cases for a service with these routes; the same for the same seed. */
export function casesOf(routes: readonly string[], seed: number, count: number): Case[] {
  return fc.sample(requests(routes), { seed, numRuns: count });
}

const token = fc.string({ minLength: 1, maxLength: 12, unit: fc.constantFrom(...'abcXYZ019-_.~!') });
const bytes = fc.string({ maxLength: 40, unit: 'binary' }).map((text) => Buffer.from(text).toString('latin1'));
const long = fc.integer({ min: 100, max: 40_000 }).map((length) => 'a'.repeat(length));
const anything = fc.oneof(
  { weight: 4, arbitrary: token },
  { weight: 2, arbitrary: bytes },
  { weight: 1, arbitrary: long },
);

const methods = fc.oneof(
  { weight: 12, arbitrary: fc.constantFrom('GET', 'POST', 'HEAD') },
  {
    weight: 3,
    arbitrary: fc.constantFrom('PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'CONNECT', 'QUERY', 'PROPFIND'),
  },
  { weight: 1, arbitrary: fc.oneof(fc.constantFrom('get', 'GETT', 'PRI', ''), token) },
);

const ids = fc.oneof(
  fc.nat().map(String),
  fc.double().map(String),
  fc.constantFrom(
    '-1',
    '00',
    '1e309',
    '9007199254740993',
    '0x10',
    '１',
    '%31',
    '__proto__',
    'constructor',
    '%00',
    '%zz',
  ),
  fc.constantFrom('..', '%2e%2e', '..%2f..%2f', '..%5c', '%252e', '%ff', '%ed%a0%80', '%F0%9F%98%80', '', ' ', '#'),
  anything,
);

const queries = fc.oneof(
  { weight: 3, arbitrary: fc.constant('') },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      '?__proto__[a]=1',
      '?a[]=1&a[]=2',
      '?view=live',
      '?username=x',
      '?u=test',
      '?%',
      '?a=%zz',
      '?=&&=',
    ),
  },
  { weight: 1, arbitrary: anything.map((text) => `?q=${text}&token=${PLANTED}-query`) },
);

const targets = (routes: readonly string[]) => {
  const known = fc.constantFrom(...routes, '/health', '/health/live', '/health/ready', '/metrics');
  return fc.oneof(
    { weight: 12, arbitrary: known },
    { weight: 6, arbitrary: fc.tuple(known, ids).map(([route, id]) => route.replace(/[^/]*$/, id)) },
    { weight: 1, arbitrary: fc.tuple(known, ids).map(([route, id]) => `${route}/${id}`) },
    { weight: 1, arbitrary: known.map((route) => `http://other.example${route}`) },
    { weight: 1, arbitrary: fc.constantFrom('*', '//', '/..//../', '\\', 'a:1', '', '?', '/%2e%2e/etc/passwd') },
    { weight: 1, arbitrary: anything.map((text) => `/${text}`) },
  );
};

const IDENTITY = [
  `authorization: Bearer ${PLANTED}-token`,
  `cookie: session=${PLANTED}-cookie; language=ko`,
  `jwt: ${PLANTED}-jwt`,
];
const TRACES = [
  'traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
  'traceparent: ff-00000000000000000000000000000000-0000000000000000-zz',
  'b3: 80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-d',
  'tracestate: =,,a=b=c',
  'baggage: a=b;c,=,%zz=%zz',
];
const ORIGINS = [
  'origin: null',
  'origin: http://evil.example',
  'sec-fetch-site: cross-site',
  'sec-fetch-site: same-origin',
];
const NEGOTIATION = [
  'accept-language: ko;q=9,*;q=x,,;',
  'accept: */*;q=',
  'range: bytes=0-,-1',
  'if-none-match: *',
  'te: trailers',
];
const HOP = [
  'connection: upgrade\r\nupgrade: h2c',
  'connection: keep-alive, x',
  'expect: 100-continue',
  'expect: 200-ok',
  'upgrade: websocket',
];
const FORWARDED = [
  'x-forwarded-for: ,,1',
  'x-forwarded-proto: javascript',
  'x-forwarded-host: evil.example',
  'end-user: admin',
];
const BROKEN = [
  'no colon',
  ': no name',
  'a b: c',
  'x:\0',
  'x: a\n folded: b',
  ' leading: x',
  'content-length: -1',
  'host: b',
];
const REFERERS = [
  'referer: foo://a/\\evil.example',
  'referer: http://a//evil.example',
  'referer: http://a/logout',
  'referer: %',
];

const headers = fc.array(
  fc.oneof(
    {
      weight: 30,
      arbitrary: fc.constantFrom(...IDENTITY, ...TRACES, ...ORIGINS, ...NEGOTIATION, ...FORWARDED, ...REFERERS),
    },
    { weight: 2, arbitrary: fc.constantFrom(...HOP) },
    { weight: 1, arbitrary: fc.constantFrom(...BROKEN) },
    {
      weight: 3,
      arbitrary: fc
        .tuple(
          fc.constantFrom('x-request-id', 'cookie', 'user-agent', 'accept-language', 'referer', 'traceparent', 'x'),
          anything,
        )
        .map(([name, value]) => `${name}: ${value.replace(/[\r\n]/g, '')}`),
    },
    { weight: 1, arbitrary: fc.integer({ min: 2, max: 300 }).map((n) => Array(n).fill('x: y').join('\r\n')) },
  ),
  { maxLength: 6 },
);

const HIDDEN = `GET /health HTTP/1.1\r\nhost: a\r\nx-request-id: ${SMUGGLED}\r\n\r\n`;
const bodies = fc.oneof(
  fc.json().map((json) => ['application/json', json] as const),
  fc
    .dictionary(fc.string(), fc.oneof(fc.integer(), fc.string()))
    .map((ratings) => ['application/json', JSON.stringify(ratings)] as const),
  fc.constantFrom(
    ['application/json', '{"__proto__":{"polluted":1},"constructor":1}'] as const,
    ['application/json', '{"Reviewer1":5}'] as const,
    ['application/json', '['.repeat(20_000)] as const,
    ['application/x-www-form-urlencoded', `username=jason&passwd=${PLANTED}-password`] as const,
    ['application/x-www-form-urlencoded', 'username=%zz&__proto__=1&username[]=2'] as const,
    [
      'multipart/form-data; boundary=b',
      '--b\r\ncontent-disposition: form-data; name=username\r\n\r\njason\r\n--b--',
    ] as const,
    ['multipart/form-data', '--b\r\n\r\n'] as const,
    ['text/plain', HIDDEN] as const,
    ['', ''] as const,
    ['application/octet-stream', 'x'.repeat(70_000)] as const,
  ),
  fc.tuple(token, anything),
);

/** How the end of a body is said; the last ones in ways that two parties may read differently. */
const FRAMINGS: ((body: string) => [head: string, body: string])[] = [
  (body) => [`content-length: ${body.length}`, body],
  (body) => [
    'transfer-encoding: chunked',
    `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`.replace(/^0\r\n\r\n0/, '0'),
  ],
  (body) => [
    'transfer-encoding: chunked',
    `${body.length.toString(16)};a="b"\r\n${body}\r\n0\r\nx: y\r\n\r\n`.replace(/^0;.*\r\n\r\n0/, '0'),
  ],
  (body) => ['transfer-encoding: chunked', `zz\r\n${body}`],
  () => ['transfer-encoding: chunked', `ffffffffffffffffff\r\n${HIDDEN}`],
  (body) => [`content-length: ${body.length + 5}\r\ntransfer-encoding: chunked`, `0\r\n\r\n${HIDDEN}`],
  () => [`content-length: 0\r\ncontent-length: ${HIDDEN.length}`, HIDDEN],
  () => [`content-length: ${HIDDEN.length}\r\ntransfer-encoding: xchunked`, HIDDEN],
  () => [
    `transfer-encoding: chunked\r\ntransfer-encoding: identity\r\ncontent-length: ${HIDDEN.length}`,
    `0\r\n\r\n${HIDDEN}`,
  ],
  () => [`transfer-encoding:\x0bchunked\r\ncontent-length: ${HIDDEN.length}`, HIDDEN],
  () => [`content-length: +${HIDDEN.length}`, HIDDEN],
];

const requests = (routes: readonly string[]): fc.Arbitrary<Case> =>
  fc
    .record({
      method: methods,
      target: targets(routes),
      query: queries,
      version: fc.oneof(
        { weight: 20, arbitrary: fc.constant('HTTP/1.1') },
        { weight: 1, arbitrary: fc.constantFrom('HTTP/1.0', 'HTTP/0.9', 'HTTP/2.0', 'HTTP/1.1 x', '') },
      ),
      host: fc.oneof(
        { weight: 20, arbitrary: fc.constant('host: a\r\n') },
        {
          weight: 1,
          arbitrary: fc.constantFrom('', 'host:\r\n', 'host: a\r\nhost: b\r\n', 'host: a b\r\n', 'host: [::1\r\n'),
        },
      ),
      headers,
      body: fc.option(fc.tuple(bodies, fc.integer({ min: 0, max: FRAMINGS.length - 1 }))),
      eol: fc.oneof(
        { weight: 30, arbitrary: fc.constant('\r\n') },
        { weight: 1, arbitrary: fc.constantFrom('\n', '\r') },
      ),
      /** Where it breaks off, as a share of it; behind its end mostly. */
      end: fc.oneof(
        { weight: 12, arbitrary: fc.constant(1) },
        { weight: 1, arbitrary: fc.double({ min: 0, max: 1, noNaN: true }) },
      ),
    })
    .map(({ method, target, query, version, host, headers, body, eol, end }) => {
      const [type = '', content = ''] = body?.[0] ?? [];
      const [framing, framed] = body ? (FRAMINGS[body[1]]?.(content) ?? ['', '']) : ['', ''];
      const lines = [...headers, ...(type ? [`content-type: ${type}`] : []), ...(framing ? [framing] : [])];
      const head = `${method} ${target}${query} ${version}\r\n${host}${lines.map((line) => `${line}\r\n`).join('')}connection: close\r\n\r\n`;
      const all = Buffer.from(head.replaceAll('\r\n', eol) + framed, 'latin1');
      return { bytes: all.subarray(0, Math.ceil(all.length * end)), isWhole: end === 1 };
    });
