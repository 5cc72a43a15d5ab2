/** What the tags of our image stand for on the node for tests: the program of the tree, or one under `released/`. */
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { NODE_FLAGS } from '../bundle/node-flags.ts';
import { PROGRAM, releasedVersions } from '../release/released.ts';

const ROOT = resolve(import.meta.dirname, '../..');

/** An image as the node program reads it (cmd/lablet-node/images.go). */
export interface Image {
  readonly entrypoint: readonly string[];
  /** Path in the container: file of this machine. */
  readonly files: Readonly<Record<string, string>>;
  /** NAME=VALUE */
  readonly env: readonly string[];
  readonly directory: string;
  readonly user: number;
}

/** The image that the Dockerfile makes of a program (hack/bundle). */
export function imageOf(program: string): Image {
  return {
    entrypoint: ['node', ...NODE_FLAGS, `/app/${PROGRAM}`],
    files: { [`/app/${PROGRAM}`]: program, '/app/healthcheck.mjs': join(ROOT, 'hack/image/healthcheck.mjs'), '/nodejs/bin/node': process.execPath },
    env: ['NODE_ENV=production', 'PATH=/nodejs/bin:/usr/local/bin:/usr/bin:/bin'],
    directory: '/app',
    user: 65532,
  };
}

/** Images of all released programs, by their version as tag. */
export function releasedImages(): Record<string, Image> {
  const programs = releasedVersions(ROOT).map((version) => [version, join(ROOT, 'released', version, PROGRAM)] as const);
  return Object.fromEntries(programs.filter(([, program]) => existsSync(program)).map(([version, program]) => [version, imageOf(program)]));
}
