import type { Versions } from '../../local/workloads.ts';

export const stock = {
  v1: { start: true },
} satisfies Versions;
