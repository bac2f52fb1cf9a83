import { findGateway } from '../../lab/gateway.ts';
import { connect } from '../../lab/kubectl.ts';
import { jaegerOf, traceById } from '../../lab/trace.ts';
import type { ClusterAccess } from './exercise.ts';

/**
 * The cluster of kubectl's current context, or of the one that is named, which a check may change.
 * @throws {Obstacle} when none answers, or its context is not named and does not look local
 */
export async function connectCluster(context: string | undefined): Promise<ClusterAccess> {
  const cluster = await connect({ context, toChange: true });
  let gateway: string | undefined;
  return {
    gateway: async () => {
      gateway ??= (await findGateway(cluster)).url;
      return gateway;
    },
    kubectl: (...args) => cluster.kubectl(args),
    async apply(...items) {
      await cluster.kubectl(['apply', '--filename=-'], JSON.stringify({ apiVersion: 'v1', kind: 'List', items }));
    },
    trace: async (traceId) => traceById(await jaegerOf(cluster), traceId),
  };
}
