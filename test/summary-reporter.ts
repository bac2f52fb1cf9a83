import type { Reporter, TestModule } from 'vitest/node';

/** Closes the output with one line that people and machines can read. */
export default class SummaryReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly unknown[]): void {
    const count = { passed: 0, failed: unhandledErrors.length, skipped: 0, pending: 0 };
    for (const module of modules) {
      count.failed += module.errors().length;
      for (const test of module.children.allTests()) count[test.result().state]++;
    }
    const { passed, failed, skipped, pending } = count;
    // After the summary of the default reporter, which prints on the same occasion.
    process.once('exit', () => console.log(`${passed} passed, ${failed + pending} failed, ${skipped} skipped`));
  }
}
