import type { Versions } from '../../local/workloads.ts';

export const auth = {
  v1: { start: true },
} satisfies Versions;
