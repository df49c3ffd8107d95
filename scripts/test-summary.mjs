/** Reads vitest's JSON report: prints one line of counts, and fails where a test failed, was skipped, or none ran. */
import { readFileSync } from 'node:fs';

const [, , file = ''] = process.argv;
const report = JSON.parse(readFileSync(file, 'utf8'));
const skipped = report.testResults
  .flatMap(
    (/** @type {{ assertionResults: { status: string, fullName: string }[] }} */ suite) => suite.assertionResults,
  )
  .filter((/** @type {{ status: string }} */ test) => test.status !== 'passed' && test.status !== 'failed');
for (const test of skipped) console.log(`skipped: ${test.fullName}`);
console.log(`${report.numPassedTests} passed, ${report.numFailedTests} failed, ${skipped.length} skipped`);
process.exitCode = report.numPassedTests > 0 && report.numFailedTests === 0 && skipped.length === 0 ? 0 : 1;
