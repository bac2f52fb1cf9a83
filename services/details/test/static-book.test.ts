import { expect, test } from 'vitest';
import { DETAILS } from '../../../test/support/bodies.ts';
import { useService } from '../../../test/support/service.ts';

const details = useService('details');

test('details answers with the book of all tutorials, byte for byte', async () => {
  const { status, headers, text } = await details.request('/details/0');
  expect(status).toBe(200);
  expect(headers['content-type']).toMatch('application/json');
  expect(text).toBe(
    '{"id":0,"author":"William Shakespeare","year":1595,"type":"paperback","pages":200,"publisher":"PublisherA",' +
      '"language":"English","ISBN-10":"1234567890","ISBN-13":"123-1234567890"}',
  );
});

test.each(['7', '007', '999999999999999'])('details answers for the product %s too', async (id) => {
  expect(await details.request(`/details/${id}`)).toMatchObject({ status: 200, json: { ...DETAILS, id: Number(id) } });
});

test.each(['abc', '1x', '-1', '1.5', '0x1', '1e3', '%20', '%E0%B8%81', '٣', `${'9'.repeat(400)}`, '<script>'])(
  'details wants a number and says so: %s',
  async (id) => {
    const { status, text } = await details.request(`/details/${encodeURI(id).replaceAll('%25', '%')}`);
    expect([status, text]).toEqual([400, '{"error":"please provide numeric product id"}']);
  },
);

test.each(['POST', 'PUT', 'DELETE'] as const)('details cannot be changed: %s is 405', async (method) => {
  expect(await details.request('/details/0', { method })).toMatchObject({
    status: 405,
    headers: { allow: 'GET, HEAD, OPTIONS' },
  });
});
