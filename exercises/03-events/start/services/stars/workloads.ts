import type { Versions } from '../../local/workloads.ts';

export const stars = {
  v1: { start: true },
} satisfies Versions;
