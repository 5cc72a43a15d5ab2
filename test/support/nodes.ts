/** Whether this machine can run the nodes of hack/node. */
import { describe } from '@jest/globals';

/** `describe`, or `describe.skip` with one line that says why; under CI a skipped test counts as a failed one. */
export function describeWithNodes(what: string): typeof describe.skip {
  if (process.platform === 'linux' && process.getuid?.() === 0) return describe;
  process.stderr.write(`${what} not tested: nodes that run pods need Linux and root, since each pod has mounts of its own\n`);
  return describe.skip;
}
