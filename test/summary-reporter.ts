import type { Reporter, TestModule } from 'vitest/node';

/**
 * Closes the output with one line that people and machines can read, and before it names the tests that failed first and
 * passed when tried again (`--retry`): they do not fail a run, but somebody has to look at them.
 */
export default class SummaryReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly unknown[]): void {
    const flaky: string[] = [];
    const count = { passed: 0, failed: unhandledErrors.length, skipped: 0, pending: 0 };
    for (const module of modules) {
      count.failed += module.errors().length;
      for (const test of module.children.allTests()) {
        count[test.result().state]++;
        if (test.diagnostic()?.flaky) flaky.push(`${module.relativeModuleId} > ${test.fullName}`);
      }
    }
    const { passed, failed, skipped, pending } = count;
    // After the summary of the default reporter, which prints on the same occasion.
    process.once('exit', () => {
      for (const test of flaky) console.log(`passed when tried again: ${test}`);
      console.log(`${passed} passed, ${failed + pending} failed, ${skipped} skipped`);
    });
  }
}
