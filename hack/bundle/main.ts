/** `make build`: the controller as dist/lablet-controller.mjs. */
import { relative, resolve } from 'node:path';
import { bundleController } from './bundle.ts';

const file = resolve(import.meta.dirname, '../../dist/lablet-controller.mjs');
await bundleController(file);
process.stdout.write(`${relative(process.cwd(), file)}\n`);
