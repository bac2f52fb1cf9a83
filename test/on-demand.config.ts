import { defineConfig } from 'vitest/config';

/** The projects that ask for a cluster, a Docker engine or an API server. `pnpm test` does not know them. */
export default defineConfig({
  test: {
    root: `${import.meta.dirname}/..`,
    reporters: ['verbose', './test/summary-reporter.ts'],
    // They share one cluster, or one engine.
    fileParallelism: false,
    expect: { poll: { timeout: 60_000, interval: 500 } },
    projects: [
      {
        extends: true,
        test: {
          name: 'cluster',
          include: ['test/cluster/*.test.ts'],
          globalSetup: 'test/cluster/setup.ts',
          testTimeout: 600_000,
          hookTimeout: 600_000,
        },
      },
      {
        extends: true,
        test: { name: 'faults', include: ['test/faults.test.ts'], testTimeout: 120_000 },
      },
      {
        extends: true,
        test: { name: 'week4', include: ['test/week4*.test.ts'], testTimeout: 900_000, hookTimeout: 900_000 },
      },
      {
        extends: true,
        test: {
          name: 'guide',
          include: ['test/guide.test.ts'],
          disableConsoleIntercept: true,
          testTimeout: 1_800_000,
          hookTimeout: 300_000,
        },
      },
      {
        extends: true,
        test: { name: 'containers', include: ['test/containers*.test.ts'], testTimeout: 900_000, hookTimeout: 900_000 },
      },
      {
        extends: true,
        test: {
          name: 'apiserver',
          include: ['test/apiserver.test.ts'],
          globalSetup: 'test/apiserver-setup.ts',
          testTimeout: 120_000,
          hookTimeout: 300_000,
        },
      },
    ],
  },
});
