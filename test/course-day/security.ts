import { apply, kubectl, list, run } from './cluster.ts';
import { lesson } from './lesson.ts';
import { answers, ask, get, health, print, signIn, tally, withoutSidecar } from './pages.ts';
import { check, eventually, record } from './results.ts';

export const security = [
  lesson('mutual-tls', 'STRICT: who has no certificate is refused', async () => {
    await withoutSidecar(async (curl) => {
      const page = 'productpage:9080/productpage';
      check((await curl(page)).output === '200', 'PERMISSIVE: a pod without a sidecar gets the page');
      await apply('istio/security-policy.yaml');
      const refused = await eventually(
        () => curl(page),
        ({ code }) => code === 56,
      );
      check(refused.code === 56, `STRICT: its connection is reset, curl exits with ${refused.code}`);
    });
    await answers('200', 'from ratings, with a sidecar', () => ask('ratings-v1', 'productpage:9080/productpage'));
    const outcomes = await tally(20, ({ status }) => String(status));
    check(print(outcomes) === '200 × 20', `the page through the gateway: ${print(outcomes)}`);
    const [pod] = await list('pods', '--selector=app=productpage,version=v1');
    const describe = await run('istioctl', ['experimental', 'describe', 'pod', pod?.metadata.name ?? '']);
    if (describe.output.includes('ENOENT')) record('skipped', 'istioctl is not on the PATH');
    else check(describe.output.includes('Workload mTLS mode: STRICT'), 'istioctl says STRICT');
  }),

  lesson('authorization', 'allow-all allows everything; least privilege only what the shop needs', async () => {
    await apply('istio/security-policy.yaml');
    await answers('200', 'allow-all: ratings may ask details', () => ask('ratings-v1', 'details:9080/details/0'));
    await kubectl(['delete', 'authorizationpolicy', 'allow-all']);
    await apply('istio/authorization-least-privilege.yaml');
    const denied = '403 RBAC: access denied';
    for (const [wanted, from, url, method] of [
      [denied, 'ratings-v1', 'details:9080/details/0'],
      [denied, 'ratings-v1', 'reviews:9080/reviews/0'],
      [denied, 'ratings-v1', 'productpage:9080/productpage'],
      [denied, 'details-v1', 'ratings:9080/ratings/0'],
      [denied, 'reviews-v2', 'details:9080/details/0'],
      ['200', 'reviews-v2', 'ratings:9080/ratings/0'],
      [denied, 'reviews-v2', 'ratings:9080/ratings/0', 'POST'],
      ['200', 'productpage-v1', 'details:9080/details/0'],
      ['200', 'productpage-v1', 'reviews:9080/reviews/0'],
      [denied, 'productpage-v1', 'ratings:9080/ratings/0'],
    ] as const)
      await answers(wanted, `${from} ${method ?? 'GET'} ${url}`, () => ask(from, url, method));
    const outcomes = await tally(30, health);
    check(print(outcomes) === '200 × 30', `the page: ${print(outcomes)}`);
    check((await get('/productpage', await signIn('jason'))).body.includes('jason'), 'signing in');
    const { status } = await eventually(
      () => get('/productpage', {}, 'DELETE'),
      (page) => page.status === 403,
    );
    check(status === 403, `DELETE /productpage through the gateway: ${status}`);
  }),
];
