import { describe, expect, test } from 'vitest';
import { start } from '../../../test/support/service.ts';

async function openPayments() {
  const payments = await start('payments', { PURSE: '50' });
  return {
    take: (orderId: string, customer: string, amount: number) =>
      payments.request(`/payments/${orderId}`, {
        method: 'PUT',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ customer, amount }),
      }),
    giveBack: (orderId: string) => payments.request(`/payments/${orderId}`, { method: 'DELETE' }),
    taken: async () => ((await payments.request('/money')).json as { taken: number }).taken,
    [Symbol.asyncDispose]: () => payments[Symbol.asyncDispose](),
  };
}

describe.concurrent('payments', () => {
  test('takes the money of an order once, however often it is asked', async () => {
    await using payments = await openPayments();
    for (const _ of [1, 2]) expect(await payments.take('a', 'jason', 30)).toMatchObject({ status: 200 });
    expect(await payments.taken()).toBe(30);
  });

  test('takes no more than a customer has', async () => {
    await using payments = await openPayments();
    await payments.take('a', 'jason', 30);
    expect(await payments.take('b', 'jason', 30)).toMatchObject({
      status: 402,
      json: { error: 'jason has not enough money' },
    });
    expect(await payments.take('c', 'paul', 30)).toMatchObject({ status: 200 });
    expect(await payments.taken()).toBe(60);
  });

  test('gives money back once, and takes none again for that order', async () => {
    await using payments = await openPayments();
    await payments.take('a', 'jason', 30);
    for (const _ of [1, 2]) expect(await payments.giveBack('a')).toMatchObject({ status: 200 });
    expect(await payments.take('a', 'jason', 30)).toMatchObject({ status: 409 });
    expect(await payments.taken()).toBe(0);
    expect(await payments.take('b', 'jason', 50)).toMatchObject({ status: 200 });
  });

  test('takes nothing for a request that comes after its order was given up', async () => {
    await using payments = await openPayments();
    await payments.giveBack('a');
    expect(await payments.take('a', 'jason', 30)).toMatchObject({ status: 409 });
    expect(await payments.taken()).toBe(0);
  });
});
