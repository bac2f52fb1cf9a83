import { describe, expect, test } from 'vitest';
import { backendAt } from '../../../local/bookinfo.ts';
import { stallsOf } from '../../../test/support/failures.ts';
import { start } from '../../../test/support/service.ts';
import { answers, answersAfter, type Behaviour, firstly, hangs, openStub } from '../../../test/support/stub.ts';
import { GOOD } from './shop.ts';

/** Views a page once, and tells how each try at a backend ended. */
async function view(behaviours: { details?: Behaviour; reviews?: Behaviour }) {
  await using details = await openStub(behaviours.details ?? answers(GOOD.details));
  await using reviews = await openStub(behaviours.reviews ?? answers(GOOD.reviews));
  await using productpage = await start('productpage', {
    ...backendAt('details', details.port),
    ...backendAt('reviews', reviews.port),
  });
  const { status, text } = await productpage.request('/productpage');
  expect(status).toBe(200);
  const ends = async (tries: { end: Promise<string> }[]) => Promise.all(tries.map(({ end }) => end));
  return { page: text, details: await ends(details.received), reviews: await ends(reviews.received) };
}

describe.concurrent('the patience of productpage', () => {
  test('is long enough for backends that take 1.5 s', async () => {
    const { page, reviews } = await view({
      details: answersAfter(1500, GOOD.details),
      reviews: answersAfter(1500, GOOD.reviews),
    });
    expect(page).toContain('Book Details');
    expect(page).toContain('Book Reviews');
    expect(reviews).toEqual(['answered']);
  });

  test('with details is at an end before 5 s, after one try', async () => {
    const { page, details } = await view({ details: answersAfter(5000, GOOD.details) });
    expect(page).toContain('Error fetching product details');
    expect(page).toContain('Book Reviews');
    expect(details).toEqual(['aborted']);
  });

  test('with reviews does not last for the 7 s of the fault-injection lesson: two tries, each given up', async () => {
    const { page, reviews } = await view({ reviews: answersAfter(7000, GOOD.reviews) });
    expect(page).toContain('Error fetching product reviews');
    expect(page).toContain('Sorry, product reviews are currently unavailable for this book.');
    expect(page).toContain('Book Details');
    expect(reviews).toEqual(['aborted', 'aborted']);
  });

  test('with reviews lasts for a second try that answers', async () => {
    const { page, reviews } = await view({ reviews: firstly(hangs, answersAfter(1000, GOOD.reviews)) });
    expect(page).toContain('Book Reviews');
    expect(reviews).toEqual(['aborted', 'answered']);
  });

  test.each(stallsOf(GOOD.details))('ends when details $name', async ({ behaviour }) => {
    const { page, details } = await view({ details: behaviour });
    expect(page).toContain('Error fetching product details');
    expect(details).toEqual(['aborted']);
  });

  test.each(stallsOf(GOOD.reviews))('ends when reviews $name', async ({ behaviour }) => {
    const { page, reviews } = await view({ reviews: behaviour });
    expect(page).toContain('Error fetching product reviews');
    expect(reviews).toEqual(['aborted', 'aborted']);
  });
});
