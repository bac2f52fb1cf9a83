import type { Versions } from '../../local/workloads.ts';

export const details = {
  v1: { start: true },
  v2: { env: { ENABLE_EXTERNAL_BOOK_SERVICE: 'true', DO_NOT_ENCRYPT: 'true' } },
} satisfies Versions;
