import type { Versions } from '../../local/workloads.ts';

export const reviews = {
  v1: { start: true, env: { ENABLE_RATINGS: 'false' } },
  v2: { start: true, env: { ENABLE_RATINGS: 'true', STAR_COLOR: 'black' } },
  v3: { start: true, env: { ENABLE_RATINGS: 'true', STAR_COLOR: 'red' } },
} satisfies Versions;
