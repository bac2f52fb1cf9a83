import { details } from '../services/details/workloads.ts';
import { productpage } from '../services/productpage/workloads.ts';
import { ratings } from '../services/ratings/workloads.ts';
import { reviews } from '../services/reviews/workloads.ts';

/** A version of a service: the service's one image with an environment of its own. */
export interface Version {
  /** Runs with `npx pnpm@12 start`. The others are for a cluster or for Compose, when a lesson needs them. */
  start?: true;
  /** What makes it this version. SERVICE_VERSION is the version's name, unless it stands here. Secrets do not. */
  env?: Record<string, string>;
}
export type Versions = Record<string, Version>;

/** Every folder of services/. A list rather than a look into the folder, so that a misspelt service does not compile. */
const VERSIONS = { productpage, details, reviews, ratings };

/** As the Kubernetes Service and the folder below services/ are called. */
export type Service = keyof typeof VERSIONS;
export const SERVICES = Object.keys(VERSIONS) as Service[];

/** As the Deployment is called: `reviews-v2`. */
export type WorkloadName = { [S in Service]: `${S}-${keyof (typeof VERSIONS)[S] & string}` }[Service];

export interface Workload {
  name: WorkloadName;
  service: Service;
  version: string;
  start: boolean;
  env: Record<string, string>;
}

/** Every version of every service. */
export const WORKLOADS: readonly Workload[] = SERVICES.flatMap((service) =>
  Object.entries<Version>(VERSIONS[service]).map(([version, { start = false, env }]) => ({
    name: `${service}-${version}` as WorkloadName,
    service,
    version,
    start,
    env: { SERVICE_VERSION: version, ...env },
  })),
);

/** The workloads of these names, in this order. */
export const workloads = (...names: WorkloadName[]): Workload[] =>
  names.flatMap((name) => WORKLOADS.filter((workload) => workload.name === name));
