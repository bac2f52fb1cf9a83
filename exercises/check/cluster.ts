import { findGateway } from '../../lab/gateway.ts';
import { connect } from '../../lab/kubectl.ts';
import type { ClusterAccess } from './exercise.ts';

/**
 * The cluster that kubectl points to, which a check may change.
 * @throws {Obstacle} when there is none that looks local
 */
export async function connectCluster(): Promise<ClusterAccess> {
  const cluster = await connect({ toChange: true });
  let gateway: string | undefined;
  return {
    gateway: async () => {
      gateway ??= (await findGateway(cluster)).url;
      return gateway;
    },
    kubectl: (...args) => cluster.kubectl(args),
  };
}
