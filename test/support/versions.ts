/** Which versions of the chart are installed one after the other in the tests of upgrades. */
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { imageOf, releasedImages, type Image } from '../../hack/node/images.ts';
import { releasedVersions } from '../../hack/release/released.ts';

const ROOT = resolve(import.meta.dirname, '../..');

/** A chart, and the image that its pods run. */
export interface Version {
  readonly name: string;
  /** Folder of the chart. */
  readonly chart: string;
  readonly tag: string;
  readonly image: Image;
}

/** That of the tree. @param program the controller of the tree (hack/bundle) */
export function treeVersion(program: string): Version {
  return { name: 'the tree', chart: join(ROOT, 'charts/lablet-controller'), tag: 'tree', image: imageOf(program) };
}

/**
 * What an upgrade to the tree starts from: the newest released version that has a chart. As long as there is none it is the
 * tree under another tag, which is no other program and yet another image, so that the Deployment rolls all the same.
 */
export function previousVersion(program: string): Version {
  const images = releasedImages();
  const found = releasedVersions(ROOT).findLast((version) => images[version] !== undefined && existsSync(join(ROOT, 'released', version, 'chart/Chart.yaml')));
  const image = found === undefined ? undefined : images[found];
  if (found === undefined || image === undefined) return { ...treeVersion(program), name: 'the tree once more', tag: 'before' };
  return { name: found, chart: join(ROOT, 'released', found, 'chart'), tag: found, image };
}
