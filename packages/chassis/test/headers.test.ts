import { describe, expect, test } from 'vitest';
import { forwardedHeaders } from '../src/index.ts';

/** Every header that an outgoing request inherits when telemetry is off. */
const INHERITED = {
  'x-request-id': '11111111-2222-3333-4444-555555555555',
  'end-user': 'jason',
  'user-agent': 'curl/8.16.0',
  cookie: 'session=abc; other=1',
  authorization: 'Bearer abc',
  jwt: 'abc.def.ghi',
  traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
  tracestate: 'vendor=value',
  baggage: 'userId=alice',
  b3: '80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-1',
  'x-b3-traceid': '80f198ee56343ba864fe8b2a57d3eff7',
  'x-b3-spanid': 'e457b5a2e4d86bd1',
  'x-b3-parentspanid': '05e3ac9a4f6e3b90',
  'x-b3-sampled': '1',
  'x-b3-flags': '0',
  'x-ot-span-context': 'a;b;c;d',
  'x-datadog-trace-id': '1',
  'x-datadog-parent-id': '2',
  'x-datadog-sampling-priority': '1',
  'x-cloud-trace-context': '105445aa7843bc8bf206b12000100000/1;o=1',
  'grpc-trace-bin': 'AAAA',
  sw8: '1-MQ==-Mg==-3-cA==-aQ==-ZQ==-dA==',
};

describe('an outgoing request', () => {
  test('inherits the headers of identity and of every tracer, as they came', () => {
    expect(forwardedHeaders(INHERITED)).toEqual(INHERITED);
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
