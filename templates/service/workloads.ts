import type { Versions } from '../../local/workloads.ts';

export const sample = {
  v1: { start: true },
} satisfies Versions;
