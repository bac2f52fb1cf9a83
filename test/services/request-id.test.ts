import { describe, expect, test } from 'vitest';
import { useService } from '../support/service.ts';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

describe('a request', () => {
  const service = useService('details');
  const idFor = async (given?: string) => {
    const { headers } = await service.request(
      '/health',
      given === undefined ? {} : { headers: { 'x-request-id': given } },
    );
    return headers['x-request-id'];
  };

  test('keeps the id that its caller gave it', async () => {
    expect(await idFor('6d3b4f9c-2c8e-9d5b-8c0b-0f7b6d1a2e3f')).toBe('6d3b4f9c-2c8e-9d5b-8c0b-0f7b6d1a2e3f');
  });

  test('gets an id when it comes without one', async () => {
    expect(await idFor()).toMatch(UUID);
    expect(await idFor()).not.toBe(await idFor());
  });

  test.each(['', '<script>', 'a b', '{"json":1}', 'x'.repeat(129)])('gets another id for %j', async (given) => {
    expect(await idFor(given)).toMatch(UUID);
  });
});
