/**
 * `make image`: builds the image with whichever engine is there. `make sbom`: writes the SBOM in both formats into dist/.
 * `contents FOLDER` is for the build stage of the Dockerfile.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { writeContents } from './contents.ts';
import { buildArguments, chooseEngine, NoEngineError, sourceLabel } from './engine.ts';
import { sbom, SBOM_FORMATS } from './sbom.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const { version } = z.object({ version: z.string() }).parse(JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')));
const { positionals: [command, folder] } = parseArgs({ allowPositionals: true });

switch (command) {
  case 'build':
    build();
    break;
  case 'contents':
    if (folder === undefined) throw new Error('say where to: contents FOLDER');
    await writeContents(resolve(folder));
    break;
  case 'sbom':
    writeSboms();
    break;
  default:
    throw new Error(`say what to do: build, contents FOLDER or sbom; not "${String(command)}"`);
}

/** Takes its wishes from the environment, where make puts them: IMAGE, ENGINE, BUILD_IMAGE, RUNTIME_IMAGE, NPMRC. An empty one counts as none. */
function build(): void {
  const wish = (name: string): string | undefined => process.env[name] || undefined;
  const image = wish('IMAGE') ?? `lablet-controller:${version}`;
  try {
    const engine = chooseEngine(wish('ENGINE'));
    const args = buildArguments(engine, {
      image,
      arguments: { BUILD_IMAGE: wish('BUILD_IMAGE'), RUNTIME_IMAGE: wish('RUNTIME_IMAGE'), VERSION: version },
      labels: {
        // The time of the commit and not of the build: the same sources make the same labels.
        'org.opencontainers.image.created': git('log', '-1', '--format=%cI'),
        'org.opencontainers.image.revision': git('rev-parse', 'HEAD'),
        'org.opencontainers.image.source': sourceLabel(git('remote', 'get-url', 'origin')),
      },
      npmrc: wish('NPMRC'),
    });
    process.stderr.write(`${engine} ${args.join(' ')}\n`);
    process.exitCode = spawnSync(engine, args, { cwd: ROOT, stdio: 'inherit' }).status ?? 1;
    if (process.exitCode === 0) process.stdout.write(`${image}\n`);
  } catch (error) {
    if (!(error instanceof NoEngineError)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 1;
  }
}

/** What git says, or undefined where there is no repository or no such thing. */
function git(...args: string[]): string | undefined {
  const { status, stdout } = spawnSync('git', args, { cwd: ROOT, encoding: 'utf8' });
  return status === 0 && stdout.trim() !== '' ? stdout.trim() : undefined;
}

function writeSboms(): void {
  mkdirSync(join(ROOT, 'dist'), { recursive: true });
  for (const format of Object.keys(SBOM_FORMATS) as (keyof typeof SBOM_FORMATS)[]) {
    const file = `dist/lablet-controller.${SBOM_FORMATS[format]}`;
    writeFileSync(join(ROOT, file), sbom(format));
    process.stdout.write(`${file}\n`);
  }
}
