import { defineConfig } from 'vitest/config';
import { exerciseNames } from './exercises/check/layers.ts';

export default defineConfig({
  test: {
    // Most tests wait for other processes.
    maxWorkers: 3,
    reporters: ['default', './test/summary-reporter.ts'],
    projects: [
      {
        test: { name: 'packages', include: ['packages/*/test/**/*.test.ts'], testTimeout: 30_000, hookTimeout: 30_000 },
      },
      {
        test: {
          name: 'services',
          include: ['{services/*/test,test/services}/**/*.test.ts'],
          testTimeout: 30_000,
          hookTimeout: 30_000,
        },
      },
      { test: { name: 'fuzz', include: ['test/fuzz/*.test.ts'], testTimeout: 120_000, hookTimeout: 60_000 } },
      { test: { name: 'e2e', include: ['test/e2e/**/*.test.ts'], testTimeout: 60_000, hookTimeout: 60_000 } },
      {
        test: {
          name: 'exercises',
          include: ['test/exercises/**/*.test.ts'],
          exclude: ['test/exercises/every-exercise.test.ts'],
          testTimeout: 300_000,
          hookTimeout: 60_000,
        },
      },
      // What a wrong variant never does is waited for: each exercise by itself, so that another works meanwhile.
      ...exerciseNames().map((name) => ({
        test: {
          name,
          include: ['test/exercises/every-exercise.test.ts'],
          env: { EXERCISE: name },
          testTimeout: 300_000,
          hookTimeout: 60_000,
        },
      })),
      { test: { name: 'manifests', include: ['test/manifests/**/*.test.ts'], testTimeout: 60_000 } },
    ],
  },
});
