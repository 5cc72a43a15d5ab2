import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { text } from 'node:stream/consumers';

// What must hold for a commit besides the tests. A check that passes says one line, and its notes; what a failing one found is shown.
const CHECKS: readonly (readonly [what: string, command: string, ...args: string[]])[] = [
  ['generated files', 'node', 'hack/generate/main.ts', '--check'],
  ['types', 'tsc', '--project', '.'],
  ['types of the page', 'tsc', '--project', 'src/web/page'],
  ['lint', 'eslint', '.', '--max-warnings=0'],
  ['the import rule', 'depcruise', 'src', '--output-type=err'],
  ['dead code', 'knip', '--no-progress'],
  ['licences', 'node', 'hack/licences.ts'],
  ['advisories', 'node', 'hack/audit.ts', '--if-answered'],
];

/** Runs one check and reports on standard error; returns whether it passed. */
async function passes(what: string, command: string, args: readonly string[]): Promise<boolean> {
  const started = performance.now();
  const child = spawn(command, args, { cwd: resolve(import.meta.dirname, '..'), stdio: ['ignore', 'pipe', 'pipe'] });
  const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close') as Promise<unknown[]>]);
  const verdict = code === 0 ? 'ok' : 'FAILED';
  process.stderr.write(`verify: ${what} ${verdict} (${Math.round((performance.now() - started) / 1000)} s)\n`);
  const notes = stdout.split('\n').filter((line) => line.startsWith('note: '));
  process.stderr.write(code === 0 ? notes.map((note) => `verify: ${note}\n`).join('') : `${stdout}${stderr}`);
  return code === 0;
}

let failed = 0;
for (const [what, command, ...args] of CHECKS) {
  if (!(await passes(what, command, args))) failed += 1;
}
// The number of failed checks, which `make test` counts with the failed tests.
process.exitCode = failed;
