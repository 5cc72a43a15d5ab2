/**
 * Starts, stops and terminates the machine of a worker as its phase asks, each time by what the provider shows: what is
 * done already is not done again, and what a crash left undone is done by the next pass.
 */
import { ExternalError } from '../../clients/errors.ts';
import { desired, isAdopted } from '../../core/worker-situation.ts';
import { effectSignal } from '../deps.ts';
import { providerOf } from './machine.ts';
import { doubleRemoved, powerDelayed } from './notices.ts';
import type { Worker } from '../../api/worker.ts';
import type { Instance, InstanceState } from '../../clients/provider/port.ts';
import type { PassContext } from '../../runtime/pass.ts';
import type { Deps } from '../deps.ts';
import type { InstanceWatch } from './instances.ts';

export type Act = 'start' | 'stop' | 'terminate';

/** What the phase asks for; undefined: nothing, or it is done. `idle`: no session and no lab at work is on the worker. */
export function actFor(worker: Worker, state: InstanceState, world: { idle: boolean; licenseReleased: boolean }): Act | undefined {
  const up = state === 'pending' || state === 'running';
  const ends = state === 'shutting-down' || state === 'terminated';
  switch (worker.status?.phase) {
    case 'Stopping':
      return up ? 'stop' : undefined;
    case 'Stopped': {
      const wanted = desired({ worker, draft: worker.status });
      if (wanted === 'Running') return state === 'stopped' && world.idle ? 'start' : undefined;
      // Somebody started it against its spec.
      return wanted !== 'Terminated' && up ? 'stop' : undefined;
    }
    case 'Terminating':
    case 'Failed':
      return isAdopted(worker) || ends || !world.licenseReleased ? undefined : 'terminate';
    default:
      return undefined;
  }
}

export interface Powered {
  /** The machine as it is after what was done to it. */
  machine: Instance | 'gone' | undefined;
  /** The provider would not: it is asked again. */
  delayed: boolean;
}

export async function power(deps: Deps, watch: InstanceWatch, worker: Worker, world: { idle: boolean; licenseReleased: boolean }, pass: PassContext): Promise<Powered> {
  const machine = watch.of(worker);
  const provider = providerOf(deps, worker);
  const asItIs: Powered = { machine, delayed: false };
  if (!provider?.ownsMachines) return asItIs;
  try {
    for (const { id } of watch.doubles(worker)) {
      await provider.terminate(id, { signal: effectSignal(deps, pass.signal) });
      deps.events.record(doubleRemoved(worker, id));
    }
    if (machine === undefined || machine === 'gone') return asItIs;
    const act = actFor(worker, machine.state, world);
    if (!act) return asItIs;
    pass.log.info({ worker: worker.metadata.name, instance: machine.id, act, state: machine.state }, 'the instance is switched');
    const state = await provider[act](machine.id, { signal: effectSignal(deps, pass.signal) });
    return { machine: watch.changed(worker, machine, state), delayed: false };
  } catch (error) {
    if (pass.signal.aborted || !(error instanceof ExternalError)) throw error;
    pass.log.warn({ worker: worker.metadata.name, error: error.message }, 'the instance could not be switched');
    deps.events.record(powerDelayed(worker, error.message));
    return { machine, delayed: true };
  }
}
