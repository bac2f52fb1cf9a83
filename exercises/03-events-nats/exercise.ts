import events, {
  begin,
  contextInCluster,
  contextOf,
  type Context as EventsContext,
  type Offline as EventsOffline,
  WORKLOADS,
} from '../03-events/exercise.ts';
import { change, FEEDBACK, readFeed } from '../03-events/feedback.ts';
import { defineExercise, eventually, hold, PATIENCE_MS } from '../check/exercise.ts';
import { openPods } from '../check/pods.ts';
import { openShop, type Shop, startStored } from '../check/shop.ts';
import { type Broker, openBroker } from './broker.ts';
import { brokerInCluster, requestsTo } from './cluster.ts';

/** What the questions on events need, of services that know the broker. */
interface Context extends EventsContext {
  broker: Pick<Broker, 'stream'>;
  /** What stars has asked feedback since it began, in words; undefined when that is nothing. */
  askedByStars(): Promise<string | undefined>;
}

interface Offline extends Context, EventsOffline {
  services: Shop;
  broker: Broker;
}

/** Waits until the last event of the feed is the last one in the stream, too. @returns how many messages there are */
async function publishedAll({ broker }: Context, newest: number): Promise<number> {
  let stream: Awaited<ReturnType<Broker['stream']>>;
  await eventually(
    async () => {
      stream = await broker.stream();
      return stream?.newest === newest || undefined;
    },
    () => ({
      expected: `event ${newest} is the last one that was published as feedback.events to the stream feedback`,
      seen: stream ? `event ${stream.newest}` : 'no stream of that name',
      cause: 'feedback does not publish what happened, or not all of it',
      look: FEEDBACK,
    }),
    PATIENCE_MS,
  );
  return stream?.messages ?? 0;
}

export default defineExercise<Context, Offline>({
  title: { en: 'What happened, told by a broker', ko: '브로커가 전하는, 일어난 일' },
  day: 1,
  minutes: 45,
  after: ['03-events'],
  needs: 'nats-server',
  async open(tree, { signal }) {
    await using stack = new AsyncDisposableStack();
    const broker = stack.use(await openBroker(signal));
    const knowing = (shop: Shop): Shop => ({
      ...shop,
      start: (workload, env) => shop.start(workload, { ...env, NATS_URL: broker.url }),
    });
    const shop = stack.use(await openShop(tree, signal, (it) => begin(knowing(it))));
    const owned = stack.move();
    return {
      ...contextOf(knowing(shop)),
      broker,
      async askedByStars() {
        const [asked] = shop.link('stars', 'feedback').passed;
        return asked && `${asked.method} ${asked.path}`;
      },
      [Symbol.asyncDispose]: () => owned.disposeAsync(),
    };
  },
  async openInCluster(_tree, { signal, cluster }) {
    // The stream goes with the broker's pod.
    const workloads = [...WORKLOADS, 'nats-v1'];
    return {
      ...contextInCluster(await openPods(cluster, { workloads, anew: true, signal })),
      broker: brokerInCluster(cluster),
      async askedByStars() {
        const requests = await requestsTo(cluster, 'stars-v1', 'feedback');
        return requests > 0 ? `${requests} requests` : undefined;
      },
    };
  },

  questions: [
    {
      name: 'Feedback tells the broker what happened, and stars no longer asks feedback',
      hint: 1,
      async ask(context) {
        const { services } = context;
        await change(services, 6, 'Reviewer1', { stars: 4, text: 'By way of the broker.' });
        await publishedAll(context, (await readFeed(services)).length);
        const asked = await context.askedByStars();
        hold(asked === undefined, {
          expected: 'stars asks feedback for nothing',
          seen: asked ?? '',
          cause: 'stars follows the feed as before',
          look: 'services/stars/src/stars.ts',
        });
      },
    },
    {
      name: 'Every event is in the stream once, also when feedback was killed before it heard so',
      hint: 2,
      offline: 'a rule of the mesh does not know what a broker says',
      async ask(context) {
        const { broker, services: shop } = context;
        broker.published = 0;
        broker.mute = true;
        await change(shop, 6, 'Reviewer2', { stars: 5, text: 'Did you hear me?' });
        await eventually(
          () => broker.published > 0 || undefined,
          () => ({ expected: 'the event is published', seen: 'it is not', look: FEEDBACK }),
          PATIENCE_MS,
        );
        await shop.kill('feedback-v1');
        broker.mute = false;
        await startStored(shop, 'feedback');
        const newest = (await readFeed(shop)).length;
        const messages = await publishedAll(context, newest);
        hold(messages === newest, {
          expected: `${newest} messages in the stream, one for each event`,
          seen: `${messages}`,
          cause: 'what was published again was kept again: nothing tells the broker that it is the same event',
          look: FEEDBACK,
        });
      },
    },
    ...events.questions.map((it) => ({ ...it, hint: 3 })),
  ],

  refused: {
    start: 'feedback does not publish what happened',
    wrong: {
      'no-message-id': 'nothing tells the broker that it is the same event',
      'passes-over': 'an event that ratings did not take is passed over',
      'acknowledges-first': 'the progress is stored before the work is done',
    },
    inCluster: {
      start: 'feedback does not publish what happened',
      'passes-over': 'an event that ratings did not take is passed over',
      'acknowledges-first': 'the progress is stored before the work is done',
    },
  },
});
