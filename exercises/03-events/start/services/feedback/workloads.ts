import type { Versions } from '../../local/workloads.ts';

export const feedback = {
  v1: { start: true },
} satisfies Versions;
