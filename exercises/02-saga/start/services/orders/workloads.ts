import type { Versions } from '../../local/workloads.ts';

export const orders = {
  v1: { start: true },
} satisfies Versions;
