import type { Versions } from '../../local/workloads.ts';

export const productpage = {
  v1: { start: true },
  /** The canary: another colour. */
  v2: { start: true },
  'v-flooding': { env: { FLOOD_FACTOR: '100' } },
} satisfies Versions;
