import { expect, test } from 'vitest';
import { traceIdOf } from '../src/trace-id.ts';

const W3C = '0af7651916cd43dd8448eb211c80319c';
const B3 = '80f198ee56343ba864fe8b2a57d3eff7';

test.each([
  ['traceparent', { traceparent: `00-${W3C}-b7ad6b7169203331-01` }, W3C],
  ['b3', { b3: `${B3}-e457b5a2e4d86bd1-1` }, B3],
  ['x-b3-traceid', { 'x-b3-traceid': B3 }, B3],
  ['a short x-b3-traceid', { 'x-b3-traceid': 'e457b5a2e4d86bd1' }, 'e457b5a2e4d86bd1'],
  ['traceparent before b3', { b3: `${B3}-e457b5a2e4d86bd1-1`, traceparent: `00-${W3C}-b7ad6b7169203331-01` }, W3C],
])('the trace id of a request is found in %s', (_name, headers, id) => {
  expect(traceIdOf(headers)).toBe(id);
});

test.each([
  ['no header', {}],
  ['a broken traceparent', { traceparent: `00-${W3C}` }],
  ['markup in x-b3-traceid', { 'x-b3-traceid': '<script>alert(1)</script>' }],
  ['b3 that only says not to sample', { b3: '0' }],
])('%s has no trace id', (_name, headers) => {
  expect(traceIdOf(headers)).toBeUndefined();
});
