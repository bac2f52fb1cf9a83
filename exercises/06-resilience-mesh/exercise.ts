import type { Manifest } from '@bookinfo/mesh';
import { defineExercise, eventually, Finding, hold, type OpenOptions } from '../check/exercise.ts';
import { Mesh, type MeshQuestion, manifestsOf, readFiles } from '../check/mesh.ts';
import { openStandIns, peakOf, type StandIns } from './stand-ins.ts';

const FILE = 'istio/resilience-ratings.yaml';
/** What holds beside it. */
const BESIDE = [
  'k8s/bookinfo.yaml',
  'istio/bookinfo-gateway.yaml',
  'istio/destination-rule-all.yaml',
  'istio/virtual-service-reviews-v2.yaml',
];
/** How long productpage waits for reviews, before it asks once more. */
const PAGE_SECONDS = 3;
/** While ratings fails: for one page, and for each of many. */
const CALLS_FOR_ONE = 2;
const CALLS_PER_PAGE = 1.2;
/** Calls at most that are under way at once, whatever comes in. */
const AT_ONCE = 20;

/** What a pod of ratings does: in a model as one of its versions, in a cluster as a stand-in is told. */
const BEHAVIOURS = {
  well: { version: 'v1', trouble: {} },
  faulty: { version: 'v-faulty', trouble: { status: 503, share: 0.5 } },
  slow: { version: 'v-delayed', trouble: { delayMs: 7000, share: 0.5 } },
  stuck: { version: 'v-delayed', trouble: { delayMs: 7000 } },
};
type Behaviour = keyof typeof BEHAVIOURS;

interface Context extends AsyncDisposable {
  /** The mesh while ratings is two pods that are like that. */
  meshWith(one: Behaviour, other: Behaviour): Promise<Mesh>;
  /** How often ratings is called for one request, as long as every answer is 503. */
  callsForOne(): Promise<number>;
}

interface InCluster extends Context {
  standIns: StandIns;
}

/** What reviews v2 asks ratings for a page. */
const RATINGS = { from: 'reviews-v2', url: 'http://ratings:9080/ratings/0', times: 10, expected: { '200 v1': 1 } };

/** @throws {Finding} with the cause that is given, else with that of the model */
async function demand(mesh: Mesh, question: MeshQuestion, cause?: string): Promise<void> {
  const wrong = await mesh.ask(question);
  if (wrong) throw new Finding({ ...wrong, ...(cause !== undefined && { cause }), look: FILE });
}

async function open(tree: string, _options: OpenOptions): Promise<Context> {
  const manifests = manifestsOf(readFiles(tree, [...BESIDE, FILE]));
  const meshWith: Context['meshWith'] = async (...pods) =>
    new Mesh(
      manifests.flatMap((it) =>
        it.kind === 'Deployment' && it.metadata?.name === 'ratings-v1' ? pods.map(podOf) : it,
      ),
      undefined,
    );
  return {
    meshWith,
    async callsForOne() {
      // Each call fails with a probability of a half, so what fails in the end tells how many there were.
      const answers = await (await meshWith('faulty', 'faulty')).answers(RATINGS);
      return Math.log2(1 / (answers['503 v1'] ?? 1));
    },
    async [Symbol.asyncDispose]() {},
  };
}

/** A pod of ratings v1 in a model, whatever its program does. */
function podOf(behaviour: Behaviour, number: number): Manifest {
  const labels = { app: 'ratings', version: 'v1' };
  const env = [{ name: 'SERVICE_VERSION', value: BEHAVIOURS[behaviour].version }];
  const containers = [{ name: 'ratings', env, ports: [{ name: 'http', containerPort: 9080 }] }];
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: `ratings-v1-${number + 1}`, labels },
    spec: {
      replicas: 1,
      template: { metadata: { labels }, spec: { serviceAccountName: 'bookinfo-ratings', containers } },
    },
  };
}

async function openInCluster(_tree: string, { cluster }: Required<OpenOptions>): Promise<InCluster> {
  // Its rules arrive while the pods start. Later a wrong answer is not asked again: it may be right then, of pods put aside.
  const mesh = new Mesh([], cluster);
  const standIns = await openStandIns(cluster);
  return {
    standIns,
    async meshWith(one, other) {
      // Told nothing, both are well; and to tell waits until both are called, which a wrong rule may keep for ever.
      const isUntold = one === 'well' && other === 'well';
      if (!isUntold) await standIns.tell(BEHAVIOURS[one].trouble, BEHAVIOURS[other].trouble);
      return mesh;
    },
    async callsForOne() {
      await standIns.tell({ status: 503 });
      await standIns.load({ times: 1 });
      return (await standIns.calls()).length;
    },
    [Symbol.asyncDispose]: () => standIns[Symbol.asyncDispose](),
  };
}

const MANY = 'a model follows one request, and this is about many';

export default defineExercise<Context, Context, InCluster>({
  title: { en: 'The same without a line of code', ko: '같은 일을 코드 한 줄 없이' },
  day: 2,
  minutes: 45,
  open,
  openInCluster,
  questions: [
    {
      name: 'all is well: reviews is told the stars',
      ask: async ({ meshWith }) => demand(await meshWith('well', 'well'), RATINGS),
    },
    {
      name: 'a pod of ratings that answers 503 costs no stars: there is a second try',
      hint: 1,
      ask: async ({ meshWith }) =>
        demand(
          await meshWith('faulty', 'well'),
          RATINGS,
          'unasked, Istio tries again what did not get through, never what a program has answered',
        ),
    },
    {
      name: 'a pod of ratings that hangs costs no stars either: the first try leaves time for the second',
      hint: 1,
      ask: async ({ meshWith }) =>
        demand(
          await meshWith('well', 'slow'),
          RATINGS,
          'the first try may take the time that is there for all of them',
        ),
    },
    {
      name: 'slow ratings do not keep the page waiting',
      hint: 1,
      async ask({ meshWith }) {
        await demand(
          await meshWith('stuck', 'stuck'),
          {
            url: '/productpage',
            times: 8,
            // A page that asks again comes after twice that time; one that waits just for it may be a little late.
            notAfter: PAGE_SECONDS + 1,
            expected: { 'Reviews served by: reviews-v2': 1 },
          },
          `all tries together take longer than the ${PAGE_SECONDS} s that the page waits: it asks again, and the mesh makes all its tries twice`,
        );
      },
    },
    {
      name: 'a ratings that fails is called twice for a page, not more',
      hint: 2,
      async ask({ callsForOne }) {
        const calls = await callsForOne();
        hold(calls <= CALLS_FOR_ONE, {
          expected: `at most ${CALLS_FOR_ONE} calls for one page`,
          seen: `${calls} calls`,
          cause: 'attempts counts the tries after the first one',
          look: FILE,
        });
      },
    },
    {
      name: 'while half of the calls fail, and many readers come, ratings is not asked twice as much',
      hint: 2,
      inCluster: MANY,
      async ask({ standIns }) {
        const times = 120;
        await standIns.tell({ status: 503, delayMs: 300, share: 0.5, othersMs: 300 });
        await standIns.load({ times, atOnce: 12 });
        const share = (await standIns.calls()).length / times;
        hold(share <= CALLS_PER_PAGE, {
          expected: `at most ${CALLS_PER_PAGE} calls for a page, of ${times} of which 12 come at once`,
          seen: `${share.toFixed(2)}: what is in trouble gets more to do`,
          cause: 'second tries have no budget: nothing bounds how many are under way at once (maxRetries)',
          look: FILE,
        });
      },
    },
    {
      name: 'the breaker opens: a ratings that only fails is left alone',
      hint: 3,
      inCluster: MANY,
      async ask({ standIns }) {
        const times = 20;
        await standIns.tell({ status: 503 });
        let [before, calls] = [0, 0];
        // Envoy counts where a call is made, and puts a pod aside somewhere else: a moment later.
        await eventually(
          async () => {
            await standIns.load({ times });
            const all = (await standIns.calls()).length;
            [before, calls] = [all, all - before];
            return calls <= times / 4 || undefined;
          },
          () => ({
            expected: `after some failures hardly a call, of ${times} pages`,
            seen: `${calls} calls, again and again`,
            cause: 'no pod is put aside, or not the last one: maxEjectionPercent is 10 unless it is said otherwise',
            look: FILE,
          }),
          15_000,
        );
      },
    },
    {
      name: 'the breaker closes: both pods are called again when they are well',
      inCluster: MANY,
      ask: ({ standIns }) => standIns.tell({}),
    },
    {
      name: 'a ratings that hangs does not take all hands: few calls are under way at once',
      hint: 3,
      inCluster: MANY,
      async ask({ standIns }) {
        const times = 80;
        await standIns.tell({ delayMs: 5000 });
        await standIns.load({ times, atOnce: times, everyMs: 15 });
        const peak = peakOf(await standIns.calls());
        hold(peak <= AT_ONCE, {
          expected: `at most ${AT_ONCE} calls under way at once, of ${times} pages`,
          seen: `${peak} calls at once`,
          cause:
            'there is no bulkhead: nobody waits for a connection (http1MaxPendingRequests) as long as more are made (maxConnections)',
          look: FILE,
        });
      },
    },
  ],
  refused: {
    start: 'never what a program has answered',
    wrong: {
      'another-subset': 'subset v1 of ratings is not defined',
      'all-time-for-one': 'the first try may take the time that is there for all of them',
      patient: 'the mesh makes all its tries twice',
      storm: 'attempts counts the tries after the first one',
    },
    inCluster: {
      start: 'never what a program has answered',
      'another-subset': '"seen":"503"',
      'all-time-for-one': 'the first try may take the time that is there for all of them',
      patient: 'the mesh makes all its tries twice',
      storm: 'attempts counts the tries after the first one',
      'no-budget': 'second tries have no budget',
      'last-pod-stays': 'no pod is put aside, or not the last one',
      'no-bulkhead': 'there is no bulkhead',
    },
  },
});
