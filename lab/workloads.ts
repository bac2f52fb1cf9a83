/** The services and what runs behind each of their names: what the Kubernetes manifests deploy by default, and the canary. */
export interface Workload {
  /** As the Deployment is called. */
  name: string;
  /** The Kubernetes Service in front of it, and its folder below services/. */
  service: Service;
  env: Record<string, string>;
}
export const SERVICES = ['productpage', 'details', 'reviews', 'ratings'] as const;
export type Service = (typeof SERVICES)[number];

export const WORKLOADS: readonly Workload[] = [
  workload('productpage', 'v1', {}),
  workload('productpage', 'v2', {}),
  workload('details', 'v1', {}),
  workload('reviews', 'v1', { ENABLE_RATINGS: 'false' }),
  workload('reviews', 'v2', { ENABLE_RATINGS: 'true', STAR_COLOR: 'black' }),
  workload('reviews', 'v3', { ENABLE_RATINGS: 'true', STAR_COLOR: 'red' }),
  workload('ratings', 'v1', {}),
];

function workload(service: Service, version: string, env: Record<string, string>): Workload {
  const name = `${service}-${version}`;
  // HOSTNAME is the pod's name in Kubernetes; tutorials look for `reviews-v2` in it.
  return { name, service, env: { SERVICE_VERSION: version, HOSTNAME: name, ...env } };
}
