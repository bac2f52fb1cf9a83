import { describe, expect, test } from 'vitest';
import { INHERITED_HEADERS } from '../../../test/support/inherited-headers.ts';
import { forwardedHeaders } from '../src/index.ts';

describe('an outgoing request', () => {
  test('inherits the headers of identity and of every tracer, as they came', () => {
    expect(forwardedHeaders(INHERITED_HEADERS)).toEqual(INHERITED_HEADERS);
  });

  test('inherits no other header', () => {
    expect(
      forwardedHeaders({ host: 'a', connection: 'close', 'x-forwarded-for': '1.2.3.4', 'content-length': '3' }),
    ).toEqual({});
  });

  test('inherits no empty header', () => {
    expect(forwardedHeaders({ 'x-b3-parentspanid': '', 'end-user': '' })).toEqual({});
  });
});
