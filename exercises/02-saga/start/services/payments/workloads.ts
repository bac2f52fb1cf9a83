import type { Versions } from '../../local/workloads.ts';

export const payments = {
  v1: { start: true },
} satisfies Versions;
