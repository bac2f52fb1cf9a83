import type { Versions } from '../../local/workloads.ts';

export const catalog = {
  v1: { start: true },
} satisfies Versions;
