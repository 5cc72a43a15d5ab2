/** What the image adds to its base; made by the build stage of the Dockerfile. */
import { chmodSync, cpSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { bundleController } from '../bundle/bundle.ts';
import { thirdPartyNotices } from './notices.ts';
import { sbom, SBOM_FORMATS } from './sbom.ts';

const ROOT = resolve(import.meta.dirname, '../..');

/**
 * Writes the program with its source map, the health check, licences and SBOM; everybody may read them and nobody may write them.
 * Needs package.json, package-lock.json, LICENSE, node_modules and src beside hack.
 * @param folder is made if it is not there; must be empty
 */
export async function writeContents(folder: string): Promise<void> {
  mkdirSync(folder, { recursive: true });
  const inputs = await bundleController(join(folder, 'lablet-controller.mjs'));
  cpSync(join(import.meta.dirname, 'healthcheck.mjs'), join(folder, 'healthcheck.mjs'));
  cpSync(join(ROOT, 'LICENSE'), join(folder, 'LICENSE'));
  writeFileSync(join(folder, 'THIRD-PARTY-NOTICES.txt'), thirdPartyNotices(inputs));
  writeFileSync(join(folder, `sbom.${SBOM_FORMATS.spdx}`), sbom('spdx'));
  for (const name of readdirSync(folder)) chmodSync(join(folder, name), 0o444);
}
