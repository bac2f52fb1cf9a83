/** Names of hosts: which pattern is meant, and which resource of several holds. */
import type { Labels, Service, Workload, World } from './world.ts';

export const selects = (selector: Labels, labels: Labels): boolean =>
  Object.entries(selector).every(([name, value]) => labels[name] === value);

/** `reviews` as somebody in `namespace` means it: Istio takes a name without dots for a Service of the same namespace. */
export const fqdn = (host: string, namespace: string): string =>
  host.includes('.') || host === '*' ? host : `${host}.${namespace}.svc.cluster.local`;

export function hostFits(pattern: string, host: string): boolean {
  const [wanted, given] = [pattern.toLowerCase(), host.toLowerCase()];
  return wanted === '*' || wanted === given || (wanted.startsWith('*.') && given.endsWith(wanted.slice(1)));
}

/** An exact name before a wildcard, a long wildcard before a short one. */
const rank = (pattern: string): number => (pattern.startsWith('*') ? pattern.length : 1000 + pattern.length);
const best = (patterns: string[], host: string): number =>
  Math.max(0, ...patterns.filter((it) => hostFits(it, host)).map(rank));

/** Those of `candidates` whose patterns name the host most exactly. */
export function mostSpecific<T>(candidates: T[], host: string, patterns: (candidate: T) => string[]): T[] {
  const ranks = candidates.map((it) => best(patterns(it), host));
  const highest = Math.max(0, ...ranks);
  return highest === 0 ? [] : candidates.filter((_, i) => ranks[i] === highest);
}

/** Whether `exportTo` lets a resource of one namespace hold for callers in another. */
export const exported = ({ exportTo = [] }: { exportTo?: string[] }, own: string, to: string): boolean =>
  exportTo.length === 0 || exportTo.some((it) => it === '*' || it === to || (it === '.' && own === to));

/** The Service that a program in `namespace` reaches by a name. */
export function serviceAt({ services }: World, host: string, namespace: string): Service | undefined {
  const [name, own = namespace, ...rest] = host.split('.');
  if (!['', 'svc', 'svc.cluster.local'].includes(rest.join('.'))) return undefined;
  return services.find((it) => it.name === name && it.namespace === own);
}

export const selected = ({ workloads }: World, { namespace, selector }: Service): Workload[] =>
  workloads.filter((it) => selector && it.namespace === namespace && selects(selector, it.labels));

export const serviceOf = (world: World, workload: Workload): Service | undefined =>
  world.services.find((it) => selected(world, it).includes(workload));

/** A conflict that Istio's documentation does not decide: istiod takes the older one first, which files do not tell. */
export function conflict(all: { ref: string; created: string | undefined }[], what: string): string[] {
  const ages = new Set(all.map(({ created }) => created));
  if (all.length < 2 || (!ages.has(undefined) && ages.size === all.length)) return [];
  const refs = all.map(({ ref }) => ref).join(', ');
  return [
    `Istio does not define the order of ${refs} ${what}; the oldest comes first, and here, of the same or no known age, by name`,
  ];
}
