import { explain, type Manifest, type Step } from '@bookinfo/mesh';
import { type MeshContext, meshChallenge } from '../check/challenge.ts';
import { type ClusterAccess, hold } from '../check/exercise.ts';
import { FAULTS } from './faults.ts';
import { QUESTIONS } from './questions.ts';

const FAILURES = 3;

/** What productpage's proxy does with a pod of reviews that fails, in words. */
function modelled(manifests: Manifest[]): string {
  const request = { from: 'productpage-v1', method: 'GET', host: 'reviews', port: 9080, path: '/reviews/0' };
  const { steps, outcomes } = explain(manifests, { ...request, headers: {}, now: Date.now() / 1000 });
  if (!outcomes.some(({ by }) => by.startsWith('reviews-'))) return 'no request that gets to reviews';
  const texts = (all: Step[]): string[] => all.flatMap((it) => [it.text, ...texts(it.steps)]);
  const [count] = texts(steps).flatMap((it) => /^outlier detection: .*consecutive5xxErrors (\d+)/.exec(it)?.[1] ?? []);
  return opensAfter(count === undefined ? undefined : Number(count));
}

const opensAfter = (failures: number | undefined): string =>
  failures === undefined
    ? 'no number that the proxy was given: it opens after 5 failures'
    : `a breaker that opens after ${failures} failures`;

/** The same of the proxy itself. */
async function observed({ kubectl }: ClusterAccess): Promise<string> {
  const exec = ['exec', 'deployment/productpage-v1', '--container=istio-proxy', '--'];
  const dump = await kubectl(...exec, 'pilot-agent', 'request', 'GET', 'config_dump?resource=dynamic_active_clusters');
  const { configs } = JSON.parse(dump) as {
    configs: { cluster: { name: string; outlier_detection?: { consecutive_5xx?: number } } }[];
  };
  const ours = configs.find(({ cluster }) => /^outbound\|9080\|v1\|reviews\./.test(cluster.name));
  return opensAfter(ours?.cluster.outlier_detection?.consecutive_5xx);
}

export default meshChallenge(
  {
    title: { en: 'Four faults in the mesh', ko: '메시에 숨은 결함 네 가지' },
    day: 2,
    minutes: 45,
    name: 'debug-2-mesh',
    beside: ['k8s/bookinfo.yaml', 'k8s/productpage-v2.yaml'],
    questions: QUESTIONS,
    pool: FAULTS,
  },
  {
    breaker: {
      name: `A pod of reviews that fails ${FAILURES} times in a row rests for a while`,
      hint: 4,
      async ask({ mesh: { manifests, cluster }, suspect }: MeshContext) {
        const expected = opensAfter(FAILURES);
        const seen = cluster ? await observed(cluster) : modelled(manifests);
        hold(seen === expected, { expected, seen, ...suspect('breaker') });
      },
    },
  },
);
