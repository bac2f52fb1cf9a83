import type { Versions } from '../../local/workloads.ts';

export const shelf = {
  v1: { start: true },
} satisfies Versions;
