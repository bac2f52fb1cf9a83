/** `npx pnpm@12 lab reset`, as it is typed. */
import { describe, expect, test } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { keyOf, type Made, madeByLessons } from '../../../lab/made.ts';
import { parse, text } from '../../manifests/load.ts';
import { type Answers, StubPrograms } from '../../support/stub-programs.ts';
import { type ClusterOptions, cluster } from './stub-cluster.ts';

const ISTIO = 'networking.istio.io/v1';
const object = (apiVersion: string, kind: string, name: string, namespace = 'default') => ({
  apiVersion,
  kind,
  metadata: { name, namespace },
});

/** After some lessons, and with something of the student's own. */
const AFTER_LESSONS = [
  object(ISTIO, 'Gateway', 'bookinfo-gateway'),
  object(ISTIO, 'VirtualService', 'bookinfo'),
  object(ISTIO, 'VirtualService', 'reviews'),
  object(ISTIO, 'VirtualService', 'of-my-own'),
  object('apps/v1', 'Deployment', 'productpage-v1'),
  object('apps/v1', 'Deployment', 'ratings-v-faulty'),
];

const answers = (items: object[], more: Answers): Answers => ({
  '*get deployments --selector=app=istiod*': 'deployment.apps/istiod',
  '*get deployment/productpage-v1*': 'deployment.apps/productpage-v1',
  '*api-versions*': `v1\napps/v1\n${ISTIO}`,
  '*get persistentvolumeclaims --namespace=default*': {
    items: [object('v1', 'PersistentVolumeClaim', 'data-mysqldb-v1-0')],
  },
  '*get *--namespace=default*': { items },
  '*get *--output=json*': { items: [] },
  '*delete *': 'deleted',
  '*apply *': 'applied',
  ...more,
});

async function resetting(
  args: string[],
  items: object[] = AFTER_LESSONS,
  options: ClusterOptions = {},
  more: Answers = {},
) {
  await using stubs = await StubPrograms.create({ kubectl: cluster(options, answers(items, more)) });
  const { stdout, stderr, exitCode } = await stubs.lab(['reset', ...args]);
  return { stdout, stderr, exitCode, changes: (await stubs.calls()).filter((call) => / (delete|apply) /.test(call)) };
}

describe('npx pnpm@12 lab reset', () => {
  test('takes away what the lessons have made, and nothing else', async () => {
    const { stdout, exitCode, changes } = await resetting(['--yes']);
    expect(exitCode).toBe(0);
    expect(changes.map((it) => it.replace(/--filename=\S*\/(istio\/)/g, '--filename=$1'))).toEqual([
      'kubectl --context=docker-desktop delete virtualservice.networking.istio.io/reviews deployment.apps/ratings-v-faulty persistentvolumeclaim/data-mysqldb-v1-0 --namespace=default --ignore-not-found',
      'kubectl --context=docker-desktop apply --filename=istio/bookinfo-gateway.yaml --filename=istio/destination-rule-all.yaml --namespace=default',
    ]);
    expect(stdout).toContain('default: VirtualService reviews');
  });

  test('where no lesson has left anything, it says so', async () => {
    const none = { '*get persistentvolumeclaims --namespace=default*': { items: [] } };
    const { stdout, changes } = await resetting([], [], {}, none);
    expect(stdout).toContain('nothing of the lessons is there');
    expect(changes.filter((call) => call.includes(' delete '))).toEqual([]);
  });

  test('where nobody can be asked, --yes must be said', async () => {
    const { stdout, stderr, exitCode, changes } = await resetting([]);
    expect([exitCode, changes]).toEqual([2, []]);
    expect(stderr).toContain('say --yes');
    expect(stdout).toContain('default: Deployment ratings-v-faulty');
  });

  test.for<[string, ClusterOptions, Answers, string]>([
    [
      'another context',
      { context: 'prod', server: 'https://10.0.0.1:6443' },
      {},
      'does not look like one on this machine',
    ],
    ['no Istio', {}, { '*get deployments --selector=app=istiod*': '' }, 'Istio is not installed'],
    ['no Bookinfo', {}, { '*get deployment/productpage-v1*': '' }, 'Bookinfo is not deployed in default'],
  ])('%s: one line, exit code 1, and nothing is changed', async ([, options, more, message]) => {
    const { stderr, exitCode, changes } = await resetting(['--yes'], AFTER_LESSONS, options, more);
    expect([exitCode, changes]).toEqual([1, []]);
    expect(stderr).toContain(message);
  });
});

test('everything that docs/lab.md lets one type is known to reset, or made by the first lab', () => {
  const blocks = [...text('docs/lab.md').matchAll(/<<'EOF'\n(.*?)^EOF$/gms)].map(([, yaml = '']) => yaml);
  const typed = blocks.flatMap((yaml) => parseAllDocuments(yaml).map((it) => it.toJS() as ReturnType<typeof object>));
  const asMade = ({
    apiVersion,
    kind,
    metadata,
  }: {
    apiVersion: string;
    kind: string;
    metadata: { name: string };
  }): Made => ({
    apiVersion,
    kind,
    name: metadata.name,
    namespace: 'default',
  });
  const first = ['istio/bookinfo-gateway.yaml', 'istio/destination-rule-all.yaml']
    .flatMap(parse)
    .map(({ doc }) => asMade(doc));
  const known = new Set([...madeByLessons('default'), ...first].map(keyOf));
  expect(typed.length).toBeGreaterThan(4);
  expect(typed.map((it) => keyOf(asMade(it))).filter((key) => !known.has(key))).toEqual([]);
});
