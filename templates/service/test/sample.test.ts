import { expect, test } from 'vitest';
import { backendAt } from '../../../local/bookinfo.ts'; // with --calls
import { useService } from '../../../test/support/service.ts';

const sample = useService('sample', () => ({
  ...backendAt('details', 1), // for each of --calls
}));

test('answers what it knows of a product', async () => {
  const { status, json } = await sample.request('/sample/0');
  expect(status).toBe(200);
  expect(json).toMatchObject({ id: 0, text: 'nothing yet' });
  expect(json).toMatchObject({ answered: [] }); // with --calls
});

test('refuses an id that is no number', async () => {
  expect(await sample.request('/sample/x')).toMatchObject({ status: 400 });
});
// with --store

test('keeps what it is told', async () => {
  const headers = { 'content-type': 'application/json' };
  const told = { method: 'PUT', headers, body: '{"text":"good"}' } as const;
  expect(await sample.request('/sample/7', told)).toMatchObject({ status: 200, json: { id: 7, text: 'good' } });
  expect(await sample.request('/sample/7')).toMatchObject({ json: { id: 7, text: 'good' } });
  expect(await sample.request('/sample/7', { ...told, body: '{}' })).toMatchObject({ status: 400 });
});
// end
