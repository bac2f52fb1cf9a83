import { describe, expect, test } from 'vitest';
import { useService } from '../../../test/support/service.ts';

const stock = useService('stock', () => ({ BOOKS: '10' }));
const hold = (orderId: string, productId: number, quantity: number) =>
  stock.request(`/reservations/${orderId}`, {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ productId, quantity }),
  });
const release = (orderId: string) => stock.request(`/reservations/${orderId}`, { method: 'DELETE' });
const shelf = async (productId: number) => (await stock.request(`/stock/${productId}`)).json;

describe('stock', () => {
  test('holds the books of an order once, however often it is asked', async () => {
    for (const _ of [1, 2]) expect(await hold('a', 0, 3)).toMatchObject({ status: 200, json: { state: 'held' } });
    expect(await shelf(0)).toEqual({ productId: 0, left: 7, held: 3 });
  });

  test('holds no more books than there are', async () => {
    await hold('b', 1, 9);
    expect(await hold('c', 1, 2)).toMatchObject({ status: 409, json: { error: 'not enough books are left' } });
    expect(await shelf(1)).toEqual({ productId: 1, left: 1, held: 9 });
  });

  test('takes books back once, and gives that order none again', async () => {
    await hold('d', 2, 4);
    for (const _ of [1, 2]) expect(await release('d')).toMatchObject({ status: 200, json: { state: 'released' } });
    expect(await hold('d', 2, 4)).toMatchObject({ status: 409 });
    expect(await shelf(2)).toEqual({ productId: 2, left: 10, held: 0 });
  });

  test('holds nothing for a request that comes after its order was given up', async () => {
    expect(await release('e')).toMatchObject({ status: 200 });
    expect(await hold('e', 3, 1)).toMatchObject({ status: 409 });
    expect(await shelf(3)).toEqual({ productId: 3, left: 10, held: 0 });
  });
});
