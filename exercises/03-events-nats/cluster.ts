/** The broker of a cluster, and what the sidecars there know. */
import { Type } from 'typebox';
import { Value } from 'typebox/value';
import type { ClusterAccess } from '../check/exercise.ts';
import { type Broker, STREAM } from './broker.ts';

/** https://docs.nats.io/running-a-nats-service/nats_admin/monitoring#jetstream-information, asked from within the mesh. */
const MONITOR = "fetch('http://nats:8222/jsz?streams=true').then((it) => it.text()).then(console.log)";

const JetStream = Type.Object({
  account_details: Type.Optional(
    Type.Array(
      Type.Object({
        stream_detail: Type.Optional(
          Type.Array(
            Type.Object({
              name: Type.String(),
              state: Type.Object({ messages: Type.Integer(), last_seq: Type.Integer() }),
            }),
          ),
        ),
      }),
    ),
  ),
});

export const brokerInCluster = ({ kubectl }: ClusterAccess): Pick<Broker, 'stream'> => ({
  async stream() {
    const program = ['node', '--eval', MONITOR];
    const answer: unknown = JSON.parse(
      await kubectl('exec', 'deployment/feedback-v1', '--container=feedback', '--', ...program),
    );
    const accounts = Value.Parse(JetStream, answer).account_details ?? [];
    const [state] = accounts
      .flatMap(({ stream_detail = [] }) => stream_detail)
      .flatMap((it) => (it.name === STREAM ? it.state : []));
    // As long as no event is in it twice, a message has the number of its event.
    return state && { messages: state.messages, newest: state.last_seq };
  },
});

/** How many requests the sidecar of a workload has sent a service since it began. */
export async function requestsTo({ kubectl }: ClusterAccess, workload: string, service: string): Promise<number> {
  const ask = ['pilot-agent', 'request', 'GET', 'clusters'];
  const clusters = await kubectl('exec', `deployment/${workload}`, '--container=istio-proxy', '--', ...ask);
  const line = new RegExp(`^outbound\\|9080\\|\\w*\\|${service}\\..*::rq_total::(\\d+)$`, 'gm');
  return [...clusters.matchAll(line)].reduce((sum, [, requests]) => sum + Number(requests), 0);
}
