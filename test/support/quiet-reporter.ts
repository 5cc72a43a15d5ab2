import type { AggregatedResult, Reporter, Test, TestResult } from '@jest/reporters';

const PROGRESS_EVERY_MS = 15_000;

/**
 * A reporter for people who want to know whether all is well: failures in full as they happen, a line of progress every
 * 15 s, and at the end one line, alone, with the counts. Counted as failed are also files that do not load, the checks
 * that failed before the tests (FAILED_CHECKS, a number) and, under CI=true, skipped tests.
 */
export default class QuietReporter implements Pick<Reporter, 'onRunStart' | 'onTestResult' | 'onRunComplete' | 'getLastError'> {
  readonly #started = performance.now();
  #lastProgress = this.#started;
  #error: Error | undefined;

  onRunStart(results: AggregatedResult): void {
    this.#say(`running ${results.numTotalTestSuites} test files`);
  }

  onTestResult(_test: Test, result: TestResult, results: AggregatedResult): void {
    if (result.failureMessage) this.#say(`FAILED ${result.testFilePath}\n${result.failureMessage}`);
    const now = performance.now();
    if (now - this.#lastProgress < PROGRESS_EVERY_MS) return;
    this.#lastProgress = now;
    const done = results.numPassedTestSuites + results.numFailedTestSuites;
    this.#say(`${this.#seconds()} s: ${done} of ${results.numTotalTestSuites} files, ${results.numPassedTests} passed, ${results.numFailedTests} failed`);
  }

  onRunComplete(_contexts: unknown, results: AggregatedResult): void {
    const skipped = results.numPendingTests + results.numTodoTests;
    const skippedInCi = process.env['CI'] === 'true' ? skipped : 0;
    const failedChecks = Number(process.env['FAILED_CHECKS'] ?? 0);
    const failed = results.numFailedTests + results.numRuntimeErrorTestSuites + skippedInCi + failedChecks;
    if (skipped > 0) this.#say(`${skipped} skipped`);
    if (failed > 0) this.#error = new Error(`${failed} failed`);
    this.#say(`all done in ${this.#seconds()} s`);
    process.stdout.write(`${results.numPassedTests} passed, ${failed} failed\n`);
  }

  /** Jest asks for this to tell whether a reporter wants the run to fail. */
  getLastError(): Error | undefined {
    return this.#error;
  }

  #seconds(): number {
    return Math.round((performance.now() - this.#started) / 1000);
  }

  #say(line: string): void {
    process.stderr.write(`${line}\n`);
  }
}
