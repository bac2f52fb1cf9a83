import { describe, expect, test } from 'vitest';
import { cookieOf, form } from '../../../test/support/http.ts';
import { useShop } from './shop.ts';

describe('the canary', () => {
  const v1 = useShop({ SERVICE_VERSION: 'v1' });
  const v2 = useShop({ SERVICE_VERSION: 'v2' });

  test('is told from v1 by a line that grep finds', async () => {
    const [first, second] = [await v1.page(), await v2.page()];
    expect(first).toContain('productpage v1');
    expect(first).not.toContain('productpage v2');
    expect(second).toContain('productpage v2');
    expect(second).not.toContain('productpage v1');
  });

  test('looks different: the stylesheet knows it', async () => {
    expect(await v2.page()).toContain('data-version="v2"');
    expect((await v2.productpage.request('/static/style.css')).text).toContain('[data-version="v2"]');
  });

  test('can be told from v1 among the tabs of a browser', async () => {
    expect(await v1.page()).toContain('href="static/icon.svg"');
    expect(await v2.page()).toContain('href="static/icon-v2.svg"');
  });

  test('is told from v1 by a header too', async () => {
    expect((await v2.productpage.request('/productpage')).headers['x-service-version']).toBe('v2');
  });

  test('knows who signed in at v1', async () => {
    const signIn = await v1.productpage.request('/login', form({ username: 'jason', passwd: 'x' }));
    expect(await v2.page({ cookie: cookieOf(signIn) })).toContain('jason');
  });
});

describe('a link into Jaeger', () => {
  const shop = useShop({ JAEGER_UI_URL: 'http://localhost:16686/jaeger/' });
  const TRACE = '0af7651916cd43dd8448eb211c80319c';

  test('leads to the trace of this request', async () => {
    expect(await shop.page({ traceparent: `00-${TRACE}-b7ad6b7169203331-01` })).toContain(
      `href="http://localhost:16686/jaeger/trace/${TRACE}"`,
    );
  });

  test('is not there without a trace', async () => {
    expect(await shop.page()).not.toContain('16686');
  });
});
