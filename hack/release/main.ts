/**
 * `make release VERSION=1.2.3`: writes released/1.2.3 with all that this version ships, and sets the version of the
 * package. Nothing is committed, tagged or uploaded; look at it, then commit it.
 */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { bundleController } from '../bundle/bundle.ts';
import { bundlePlugin } from '../bundle/plugin.ts';
import { SCHEMA_FOLDER } from '../generate/event-schemas.ts';
import { releaseProblems } from './checks.ts';
import { PROGRAM, releasedSchemas, releasedVersions, schemaProblems } from './released.ts';

const root = resolve(import.meta.dirname, '../..');
const version = process.argv[2] ?? '';

const released = releasedVersions(root);
const problems = [
  ...releaseProblems({
    version, released,
    changed: run('git', 'status', '--porcelain').split('\n').filter(Boolean),
    changelog: readFileSync(join(root, 'CHANGELOG.md'), 'utf8'),
  }),
  ...released.flatMap((earlier) => schemaProblems(releasedSchemas(root, earlier)).map((problem) => `${problem} (released ${earlier})`)),
];
if (problems.length > 0) {
  for (const problem of problems) console.error(`release: ${problem}`);
  process.exitCode = 1;
} else {
  await write(join(root, 'released', version));
}

/** Manifests and chart as they stand in the tree; the program and the plugin of kubectl, each in one file. */
async function write(folder: string): Promise<void> {
  // First of all, since the chart has the version of the package.
  run('npm', 'version', version, '--no-git-tag-version', '--allow-same-version');
  run('node', 'hack/generate/main.ts');
  mkdirSync(folder, { recursive: true });
  const parts = { schemas: SCHEMA_FOLDER, crds: 'crds', config: 'config', chart: 'charts/lablet-controller' };
  for (const [name, source] of Object.entries(parts)) {
    cpSync(join(root, source), join(folder, name), { recursive: true });
  }
  await bundleController(join(folder, PROGRAM), { minify: true });
  await bundlePlugin(join(folder, 'kubectl-lablet.mjs'));
  console.log(`released/${version} is written. Look at it, then:\n  git add released charts package.json package-lock.json && git commit -m "chore(release): ${version}"`);
}

function run(command: string, ...args: string[]): string {
  return execFileSync(command, args, { cwd: root, encoding: 'utf8' });
}
