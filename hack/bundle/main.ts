/** `make build`: the controller as dist/lablet-controller.mjs, and the plugin of kubectl as dist/kubectl-lablet.mjs. */
import { relative, resolve } from 'node:path';
import { bundleController } from './bundle.ts';
import { bundlePlugin } from './plugin.ts';

const dist = resolve(import.meta.dirname, '../../dist');
const [controller, plugin] = [resolve(dist, 'lablet-controller.mjs'), resolve(dist, 'kubectl-lablet.mjs')];
await bundleController(controller);
await bundlePlugin(plugin);
for (const file of [controller, plugin]) process.stdout.write(`${relative(process.cwd(), file)}\n`);
