/**
 * Writes every generated file of the repository, or with --check says which are stale and fails.
 * A generator is registered by adding it to GENERATORS.
 */
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { chart } from './chart.ts';
import { crds } from './crds.ts';
import { dashboards } from './dashboards.ts';
import { eventGuide } from './event-guide.ts';
import { eventSchemas } from './event-schemas.ts';
import { knative } from './knative.ts';
import { lifecycle } from './lifecycle.ts';
import { metricsReference } from './metrics.ts';
import { check, write } from './output.ts';
import type { Generator } from './output.ts';
import { rbac } from './rbac.ts';
import { apiReference } from './reference.ts';
import { rights } from './rights.ts';
import { sampleTopology } from './samples.ts';
import { workerLifecycle } from './worker-lifecycle.ts';

const GENERATORS: readonly Generator[] = [lifecycle, workerLifecycle, crds, rbac, rights, apiReference, eventSchemas, eventGuide, knative, chart, dashboards, metricsReference, sampleTopology];
const root = resolve(import.meta.dirname, '../..');

const { values } = parseArgs({ options: { check: { type: 'boolean', default: false } } });
if (values.check) {
  const stale = await check(root, GENERATORS);
  for (const { path, problem } of stale) console.error(`${path} is stale: ${problem}`);
  if (stale.length > 0) {
    console.error('Run "make generate" and commit the result.');
    process.exitCode = 1;
  }
} else {
  for (const { path } of await write(root, GENERATORS)) console.log(`generated ${path}`);
}
