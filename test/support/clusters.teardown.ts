import { rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { CLUSTERS_FILE } from './cluster.ts';
import './clusters.setup.ts';

/** Jest's globalTeardown: ends the control planes that globalSetup started. */
export default async function stopClusters(): Promise<void> {
  await Promise.all(globalThis.controlPlanesOfThisRun.map((controlPlane) => controlPlane.stop()));
  const file = process.env[CLUSTERS_FILE];
  if (file !== undefined) await rm(dirname(file), { recursive: true, force: true });
}
