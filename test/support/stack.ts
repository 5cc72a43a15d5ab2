import { startStack, type Stack, type StackOptions } from '../../hack/demo/stack.ts';
import type { ControlPlane } from '../../hack/cluster/controlplane.ts';
import { leashProgram } from '../../hack/cluster/binaries.ts';
import { privateControlPlane } from './cluster.ts';

/** The demo's stack on a control plane of its own, which logs every write. */
export interface TestStack {
  readonly controlPlane: ControlPlane;
  readonly stack: Stack;
  /** Ends both. */
  stop(): Promise<void>;
}

export async function startTestStack(options: Omit<StackOptions, 'cluster' | 'leash'>): Promise<TestStack> {
  const leash = await leashProgram(process.env, () => undefined);
  const controlPlane = await privateControlPlane();
  try {
    const stack = await startStack({ ...options, cluster: controlPlane, leash });
    return {
      controlPlane,
      stack,
      stop: async () => {
        await stack.stop();
        await controlPlane.stop();
      },
    };
  } catch (error) {
    await controlPlane.stop();
    throw error;
  }
}
