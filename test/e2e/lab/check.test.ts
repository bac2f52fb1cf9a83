/** `npx pnpm@12 lab check`, `traffic` and what they reckon with: on a cluster that a stub of kubectl plays. */
import { readFileSync } from 'node:fs';
import { execa } from 'execa';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { examine, type Result } from '../../../lab/commands/check.ts';
import { binomial, fit } from '../../../lab/shares.ts';
import { Shop } from '../../../lab/shop.ts';
import { isDeclared, momentOf, STEPS } from '../../../lab/steps.ts';
import { type Manifest, ROOT } from '../../manifests/load.ts';
import { cluster, type FakeCluster, fakeCluster, gatewayPods, podsOf, type Show } from './fake-cluster.ts';

const ROUTING = ['istio/bookinfo-gateway.yaml', 'istio/destination-rule-all.yaml'];
const V1 = [...ROUTING, 'istio/virtual-service-all-v1.yaml'];
const CANARY = [...V1, 'istio/canary-reviews.yaml'];
const CALLS = {
  'exec deployment/productpage-v1 --container=productpage': '200',
  'exec deployment/istio-ingressgateway': '000',
};

const version1: Show = () => ({ version: 'v1' });
/** Four to one, in turn. */
const canary: Show = (n, user) => ({ version: user || n % 5 === 4 ? 'v2' : 'v1' });

/** The later of two objects of one name counts, as it does for kubectl apply. */
function applied(...files: string[]): Manifest[] {
  const byName = new Map(
    cluster(...files).map((it) => [`${it.kind} ${it.metadata.namespace} ${it.metadata.name}`, it]),
  );
  return [...byName.values()];
}

/** Objects with a word of theirs changed. */
const changed = (objects: Manifest[], right: string, wrong: string): Manifest[] =>
  JSON.parse(JSON.stringify(objects).replaceAll(right, wrong)) as Manifest[];
/** Another object in the place of one kind's whose name begins so. */
const replaced = (objects: Manifest[], kind: string, name: string, by: (it: Manifest) => Manifest[]): Manifest[] =>
  objects.flatMap((it) => (it.kind === kind && it.metadata.name.startsWith(name) ? by(it) : it));

interface Mistake {
  what: string;
  objects(): Manifest[];
  show: Show;
  answers?: Record<string, string>;
  /** The step that fails. */
  at: string;
  because: string[];
}

const MISTAKES: Mistake[] = [
  {
    what: 'a gateway without a route',
    objects: () => replaced(applied(...V1), 'VirtualService', 'bookinfo', () => []),
    show: () => ({ status: 404 }),
    at: '1.3',
    because: [
      'no route on this gateway: no VirtualService is for Gateway default/bookinfo-gateway and host localhost',
      '12 of 12 pages: 404',
    ],
  },
  {
    what: 'an image that is not on the node',
    objects: () =>
      replaced(applied(...V1), 'Pod', 'reviews-v2', (it) => {
        const state = { waiting: { reason: 'ImagePullBackOff' } };
        const container = { name: 'reviews', image: 'bookinfo-ts/reviews:1.0.0', ready: false, state };
        return [{ ...it, status: { phase: 'Pending', containerStatuses: [container] } }];
      }),
    show: version1,
    at: '1.2',
    because: ['reviews-v2: the node does not have the image bookinfo-ts/reviews:1.0.0 (ImagePullBackOff)'],
  },
  {
    what: 'a pod without a sidecar',
    objects: () =>
      replaced(applied(...V1), 'Pod', 'productpage', (it) => [
        {
          ...it,
          spec: { ...(it.spec as object), containers: [{ name: 'productpage', image: 'bookinfo-ts/productpage' }] },
        },
      ]),
    show: version1,
    at: '1.2',
    because: ['productpage-v1: its pod is older than the label of the namespace'],
  },
  {
    what: 'no sidecar at productpage, so that no rule for reviews holds',
    objects: () =>
      replaced(applied(...V1), 'Pod', 'productpage', (it) => [
        {
          ...it,
          spec: { ...(it.spec as object), containers: [{ name: 'productpage', image: 'bookinfo-ts/productpage' }] },
        },
      ]),
    show: (n) => ({ version: (['v1', 'v2', 'v3'] as const)[n % 3] ?? 'v1' }),
    at: '2.1',
    because: ['productpage-v1 has no sidecar: no route and no DestinationRule holds'],
  },
  {
    what: 'a subset of other labels than those of the pods',
    objects: () => changed(applied(...V1), '"labels":{"version":"v1"}', '"labels":{"ver":"v1"}'),
    show: () => ({ status: 503 }),
    at: '2.1',
    because: ['no healthy upstream: subset {"ver":"v1"} of Service default/reviews has no pods'],
  },
  {
    what: 'the wrong weights',
    objects: () => changed(changed(applied(...CANARY), '"weight":80', '"weight":60'), '"weight":20', '"weight":40'),
    show: (n, user) => ({ version: user || n % 5 < 2 ? 'v2' : 'v1' }),
    at: '2.2',
    because: ['rule 2 of VirtualService default/reviews matches: 60 % to reviews v1, 40 % to reviews v2'],
  },
  {
    what: 'plain text where mTLS is demanded',
    objects: () => [
      ...changed(
        applied(...V1, 'istio/security-policy.yaml'),
        '"host":"details","subsets"',
        '"host":"details","trafficPolicy":{"tls":{"mode":"DISABLE"}},"subsets"',
      ),
    ],
    show: version1,
    answers: { 'exec deployment/productpage-v1': 'no answer' },
    at: '3.1',
    because: ['details-v1 takes mutual TLS only (PeerAuthentication default/default is STRICT)'],
  },
  {
    what: 'a policy that allows everything beside those that allow little',
    objects: () => applied(...V1, 'istio/security-policy.yaml', 'istio/authorization-least-privilege.yaml'),
    show: version1,
    answers: { 'exec deployment/': '200' },
    at: '3.2',
    because: ['rule 1 of AuthorizationPolicy default/allow-all allows it'],
  },
  {
    what: 'a rate limit that selects nobody',
    objects: () =>
      changed(
        applied(...V1, 'istio/productpage_envoy_ratelimit.yaml'),
        '"workloadSelector":{"labels":{"app":"productpage"}}',
        '"workloadSelector":{"labels":{"app":"productpages"}}',
      ),
    show: version1,
    at: '2.6',
    because: ['0 of 20 answered 429', 'no EnvoyFilter with a rate limit holds for productpage'],
  },
  {
    what: 'neither a circuit breaker nor a rate limit',
    objects: () => applied(...V1),
    show: version1,
    at: '2.6',
    because: [
      '60 at once: 240 × 200; one at a time: 12 × 200',
      'no connectionPool in DestinationRule reviews, or too wide',
    ],
  },
  {
    what: 'a circuit breaker in a shop without subsets',
    objects: () => applied('istio/bookinfo-gateway.yaml', 'istio/virtual-service-all-v1.yaml'),
    show: () => ({ status: 503 }),
    at: '2.6',
    because: ['one at a time: 12 × 503', '503: subset v1 of reviews is not defined anywhere'],
  },
  {
    what: 'a database that is not ready',
    objects: () => {
      const files = ['k8s/bookinfo-mysql.yaml', 'k8s/bookinfo-ratings-v2-mysql.yaml'];
      const objects = applied(...V1, ...files, 'istio/virtual-service-ratings-mysql.yaml');
      const pods = podsOf(objects.filter(({ metadata }) => /mysql/.test(metadata.name)));
      return replaced([...objects, ...pods], 'Pod', 'mysqldb-v1', (it) => [{ ...it, status: { phase: 'Pending' } }]);
    },
    show: () => ({ version: undefined }),
    at: '4.2',
    because: [
      'mysqldb-v1 is not ready',
      '12 of 12 pages no reviews',
      'the rules are right, but not ready: mysqldb-v1-77654c4655-xfzdb',
    ],
  },
];

const start = (objects: Manifest[], show: Show, answers: Record<string, string> = {}) =>
  fakeCluster({ objects, answers: { ...answers, ...CALLS } }, show);

const lab = ({ env }: FakeCluster, ...args: string[]) =>
  execa('node', ['lab/main.ts', ...args], { cwd: ROOT, reject: false, env: { ...env, NO_COLOR: '1' } });

/** As the command does it, in this process. */
async function check({ cluster, gateway, passedFile }: FakeCluster, ...ids: string[]): Promise<Result> {
  vi.stubEnv('GATEWAY_URL', gateway);
  return examine(
    cluster,
    STEPS.filter(({ id }) => ids.includes(id)),
    passedFile,
  );
}
afterEach(() => vi.unstubAllEnvs());

const step = ({ steps }: Result, id: string) => steps.find((it) => it.id === id);

/** The files of the guide that are applied when a moment of it is there. */
const MOMENTS: [moments: string[], files: string[]][] = [
  [['1.3 no rules'], ROUTING],
  [['2.1 version 1'], V1],
  [['2.2 four to one, and jason'], CANARY],
  [['2.2 half and half'], [...V1, 'istio/virtual-service-reviews-50-v3.yaml']],
  [['2.2 version 3'], [...V1, 'istio/virtual-service-reviews-v3.yaml']],
  [
    ['2.1 version 1', '2.3 by header'],
    [...V1, 'istio/canary-productpage.yaml', 'k8s/productpage-v2.yaml'],
  ],
  [
    ['2.4 delay'],
    [...V1, 'istio/virtual-service-reviews-test-v2.yaml', 'istio/virtual-service-ratings-test-delay.yaml'],
  ],
  [
    ['2.4 delay, with the fix'],
    [...V1, 'istio/virtual-service-reviews-v3.yaml', 'istio/virtual-service-ratings-test-delay.yaml'],
  ],
  [
    ['2.4 error'],
    [...V1, 'istio/virtual-service-reviews-test-v2.yaml', 'istio/virtual-service-ratings-test-abort.yaml'],
  ],
  [['2.4 timeout'], [...V1, 'istio/virtual-service-reviews-timeout.yaml']],
  [
    ['2.2 version 3', '2.5 retries'],
    [
      ...V1,
      'istio/virtual-service-reviews-v3.yaml',
      'istio/virtual-service-ratings-retries.yaml',
      'k8s/ratings-v-faulty.yaml',
    ],
  ],
  [
    ['2.1 version 1', '2.5 mirroring'],
    [...V1, 'istio/virtual-service-reviews-mirror.yaml'],
  ],
  [
    ['2.1 version 1', '2.6 circuit breaker'],
    [...V1, 'istio/destination-rule-reviews-circuit-breaker.yaml'],
  ],
  [
    ['2.1 version 1', '2.6 rate limit'],
    [...V1, 'istio/productpage_envoy_ratelimit.yaml'],
  ],
  [
    ['2.1 version 1', '3.1 STRICT'],
    [...V1, 'istio/security-policy.yaml'],
  ],
  [
    ['2.2 version 3', '4.2 MySQL'],
    [
      ...V1,
      'k8s/bookinfo-mysql.yaml',
      'k8s/bookinfo-ratings-v2-mysql.yaml',
      'istio/virtual-service-ratings-mysql.yaml',
    ],
  ],
];

describe('npx pnpm@12 lab check', () => {
  test.for(MOMENTS)('knows %j by the files that make it', async ([moments, files]) => {
    const objects = applied(...files);
    const workloads = objects.filter(
      ({ kind, metadata }) => /^(Deployment|StatefulSet)$/.test(kind) && metadata.namespace !== 'istio-system',
    );
    await using fake = await start(
      [...objects.filter(({ kind }) => kind !== 'Pod'), ...podsOf(workloads), ...gatewayPods()],
      version1,
    );
    vi.stubEnv('GATEWAY_URL', fake.gateway);
    const shop = await Shop.open(fake.cluster);
    expect(shop.unknown).toEqual([]);
    const found = STEPS.flatMap(({ id, moments: all }) =>
      all.filter((it) => isDeclared(shop, it)).map(({ name }) => `${id} ${name}`),
    );
    expect(found).toEqual(moments);
  });

  test('knows least privilege and the namespace production, without allow-all', async () => {
    const strict = applied(...V1, 'istio/security-policy.yaml', 'istio/authorization-least-privilege.yaml');
    await using fake = await start(
      replaced(strict, 'AuthorizationPolicy', 'allow-all', () => []),
      version1,
    );
    vi.stubEnv('GATEWAY_URL', fake.gateway);
    const shop = await Shop.open(fake.cluster);
    expect(isDeclared(shop, momentOf('3.1', 'STRICT'))).toBe(true);
    expect(isDeclared(shop, momentOf('3.2', 'least privilege'))).toBe(true);
  });

  test('a pod that ends serves nobody any more', async () => {
    const objects = applied('istio/bookinfo-gateway.yaml', 'istio/destination-rule-all.yaml');
    const ending = objects.map((it) =>
      it.kind === 'Pod' && it.metadata.name.startsWith('reviews-v3-')
        ? { ...it, metadata: { ...it.metadata, deletionTimestamp: '2026-11-25T04:48:19Z' } }
        : it,
    );
    const kinds = async (all: Manifest[]) => {
      await using fake = await start(all, version1);
      vi.stubEnv('GATEWAY_URL', fake.gateway);
      const shop = await Shop.open(fake.cluster);
      return shop.explain({ url: 'http://localhost/productpage' })?.outcomes.flatMap(({ shows }) => shows[1]);
    };
    const both = ['Reviews served by: reviews-v1', 'Reviews served by: reviews-v2'];
    expect(await kinds(objects)).toEqual([...both, 'Reviews served by: reviews-v3']);
    expect(await kinds(ending)).toEqual(both);
  });

  test('prints what it has found, and one line to hand in', async () => {
    await using fake = await start(applied(...V1), version1);
    const { stdout, exitCode } = await lab(fake, 'check', '2.1');
    expect(stdout).toContain('✓ 2.1 One version for everybody: version 1');
    expect(stdout).toMatch(/^lab check: 1 of 16 steps passed \(2\.1\); nothing fails now; stub uid-of-k \S+Z$/m);
    expect(exitCode).toBe(0);
    expect(JSON.parse(readFileSync(fake.passedFile, 'utf8'))).toEqual({
      'uid-of-kube-system': { '2.1 version 1': expect.stringMatching(/^\d{4}-/) },
    });
  });

  test('says on a terminal what was wanted, what was found, why, and where to look; exits with 1', async () => {
    await using fake = await start(applied('istio/bookinfo-gateway.yaml', 'istio/virtual-service-all-v1.yaml'), () => ({
      status: 503,
    }));
    const { stdout, exitCode } = await lab(fake, 'check', '2.1');
    expect(stdout).toContain('✗ 2.1 One version for everybody: version 1');
    for (const line of [
      'wanted  everybody: v1, no stars',
      'found   12 of 12 pages 503',
      'because 503: subset v1 of reviews is not defined anywhere: no DestinationRule is for it',
      'look    npx pnpm@12 lab explain GET http://localhost/productpage',
    ])
      expect(stdout).toContain(line);
    expect(stdout).toContain('failing now: 2.1');
    expect(exitCode).toBe(1);
  });

  test('finds out which step the rules are of; those before stay passed, those after are open', async () => {
    await using fake = await start(applied(...V1), version1);
    expect(step(await check(fake), '2.1')).toMatchObject({ state: 'passed', now: ['version 1'] });
    await using later = await start(applied(...CANARY), canary);
    const result = await check({ ...later, passedFile: fake.passedFile });
    expect(step(result, '1.2')).toMatchObject({ state: 'passed' });
    expect(step(result, '2.1')).toMatchObject({ state: 'earlier', now: [] });
    expect(step(result, '2.2')).toMatchObject({ state: 'passed', now: ['four to one, and jason'] });
    expect(step(result, '2.3')).toMatchObject({ state: 'open' });
  });

  test('a page in a hundred that lacks a part is put down to a busy machine, one in ten is not', async () => {
    const lacking = (every: number) => (n: number, user?: string) =>
      n % every === 7 ? { version: undefined } : canary(n, user);
    await using busy = await start(applied(...CANARY), (n, user) => (user ? canary(n, user) : lacking(100)(n)));
    expect(step(await check(busy, '2.2'), '2.2')).toMatchObject({ state: 'passed' });
    await using broken = await start(applied(...CANARY), (n, user) => (user ? canary(n, user) : lacking(10)(n)));
    expect(step(await check(broken, '2.2'), '2.2')).toMatchObject({ state: 'failed' });
  });

  test('a cluster that was made anew begins anew', async () => {
    await using fake = await start(applied(...V1), version1);
    await check(fake);
    const other = applied(...CANARY).map((it) =>
      it.metadata.name === 'kube-system' ? { ...it, metadata: { ...it.metadata, uid: 'another' } } : it,
    );
    await using later = await start(other, canary);
    expect(step(await check({ ...later, passedFile: fake.passedFile }), '2.1')).toMatchObject({ state: 'open' });
  });

  test.for<Mistake>(MISTAKES)('names the cause: $what', async ({ objects, show, answers, at, because }) => {
    await using fake = await start(objects(), show, answers);
    const result = await check(fake, at);
    expect(step(result, at)).toMatchObject({ state: 'failed' });
    const causes = step(result, at)?.answers.flatMap((it) => [it.found, ...(it.causes ?? [])]);
    for (const sentence of because) expect(causes).toContainEqual(expect.stringContaining(sentence));
  });

  test('says once which rule lets somebody in, and nothing of policies that wait for their pods', async () => {
    const files = ['istio/security-policy.yaml', 'istio/authorization-least-privilege.yaml'];
    await using fake = await start(applied(...V1, ...files), version1, { 'exec deployment/': '200' });
    const wrong = step(await check(fake, '3.2'), '3.2')?.answers.filter(({ ok }) => !ok);
    expect(wrong).toHaveLength(7);
    for (const { causes } of wrong ?? [])
      expect(causes).toEqual(['rule 1 of AuthorizationPolicy default/allow-all allows it']);
  });

  test('names a command that finds both namespaces', async () => {
    const files = ['k8s/production.yaml', 'istio/production/bookinfo-gateway.yaml'];
    await using fake = await start(applied(...V1, ...files), () => ({ status: 503 }), { 'exec deployment/': '200' });
    const looks = step(await check(fake, '3.3'), '3.3')?.answers.map(({ look }) => look);
    const both = '-n default -n production';
    expect(looks?.slice(0, 2)).toEqual([
      `npx pnpm@12 lab explain ${both} GET http://bookinfo.production/productpage`,
      `npx pnpm@12 lab explain --from ratings-v1 ${both} GET http://productpage.production:9080/productpage`,
    ]);
    const request = ['GET', 'http://productpage.production:9080/productpage'];
    const { stdout } = await lab(fake, 'explain', '--from', 'ratings-v1', ...both.split(' '), ...request);
    // Its pods are not among the objects here.
    expect(stdout).toContain('no healthy upstream: Service production/productpage has no pods');
  });

  test('of rules that are of no step it says what they do; only what is broken is a failure', async () => {
    const strange = changed(applied(...V1), '"subset":"v1"', '"subset":"v2"');
    await using fake = await start(strange, () => ({ version: 'v2' }));
    const found = '12 of 12 pages v2, black stars';
    expect(step(await check(fake), '?')).toMatchObject({ state: 'open', answers: [{ found }] });
    await using broken = await start(changed(strange, '"subset":"v2"', '"subset":"v4"'), () => ({
      version: undefined,
    }));
    expect(step(await check(broken), '?')).toMatchObject({
      state: 'failed',
      answers: [
        { causes: expect.arrayContaining([expect.stringContaining('subset v4 of reviews is not defined in')]) },
      ],
    });
  });

  test('changes nothing: kubectl has only to get and to exec', async () => {
    await using fake = await start(applied(...CANARY), canary);
    await check(fake);
    const verbs = fake.commands.map((args) => args.find((word) => !word.startsWith('-')));
    expect([...new Set(verbs)].sort()).toEqual(['exec', 'get']);
  });
});

describe('npx pnpm@12 lab traffic', () => {
  test('reads the weights from the cluster, and says that the split fits them', async () => {
    await using fake = await start(applied(...CANARY), canary);
    const { stdout, exitCode } = await lab(fake, 'traffic', '-r', '100', '-d', '2');
    expect(stdout).toMatch(/^reviews +v1 +160 +80\.0 % {2}weight 80\.0 % {2}reviews-v1-1 160$/m);
    expect(stdout).toContain('The split fits the weights');
    expect(exitCode).toBe(0);
  });

  test('exits with 1 when the split is no accident; knows what the rules say for who is signed in', async () => {
    await using fake = await start(applied(...CANARY), (n) => ({ version: n % 2 ? 'v2' : 'v1' }));
    const { stdout, exitCode } = await lab(fake, 'traffic', '-r', '100', '-d', '1', '--user', 'jason', '--json');
    expect(JSON.parse(stdout)).toMatchObject({ weights: { v2: 1 }, versions: { v1: 50, v2: 50 }, p: 0, fits: false });
    expect(exitCode).toBe(1);
  });

  test('sums up after Ctrl-C, without waiting for what is on its way', async () => {
    await using fake = await start(applied(...CANARY), canary);
    const running = lab(fake, 'traffic', '-d', '600');
    await expect.poll(() => fake.requests.length, { timeout: 30_000 }).toBeGreaterThan(10);
    running.kill('SIGINT');
    const { stdout, exitCode } = await running;
    expect(stdout).toMatch(/^\d+ pages in [\d.]+ s$/m);
    expect(exitCode).toBe(0);
  });
});

describe('whether counts fit shares', () => {
  test.for<[hits: number, n: number, share: number, p: number]>([
    [5, 10, 0.5, 1],
    [0, 10, 0.5, 2 / 1024],
    [0, 2, 0.25, 0.5625 + 0.375 + 0.0625],
    [2, 2, 0.25, 0.0625],
    [0, 300, 0.05, 0.95 ** 300],
    [0, 10, 0, 1],
    [1, 10, 0, 0],
  ])('%i of %i for a share of %f: p = %f', ([hits, n, share, p]) => {
    // Of the thin tail only its own side counts here, so that the table can be reckoned by hand.
    if (p < 1e-6) expect(binomial(hits, n, share)).toBeLessThan(1e-5);
    else expect(binomial(hits, n, share)).toBeCloseTo(p, 9);
  });

  test('what must not come makes any split a wrong one', () => {
    expect(fit({ v1: 80, v2: 19, v3: 1 }, { v1: 0.8, v2: 0.2 })).toBe(0);
  });

  test('half a million pages are counted as exactly as ten', () => {
    expect(fit({ v1: 400_100, v2: 99_900 }, { v1: 0.8, v2: 0.2 })).toBeGreaterThan(0.5);
    expect(fit({ v1: 402_000, v2: 98_000 }, { v1: 0.8, v2: 0.2 })).toBeLessThan(1e-8);
  });
});
