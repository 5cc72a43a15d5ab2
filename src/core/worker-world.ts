/** What a decision about a Worker may know: plain data, gathered by the controller before it asks. */
import type { Offer } from './worker-capacity.ts';

/** Licensing as CML says it. */
export interface LicenseFacts {
  registration: string;
  authorization: string;
  product: string;
}

/**
 * One look at a CML host.
 * - `unconfigured`: it cannot be asked, since something is missing that a person must set.
 * - `unreachable`: it does not answer. `notReady`: it answers and is not usable yet, or does not let us in.
 */
export type Probe =
  | { state: 'unconfigured'; reason: string; message: string }
  | { state: 'unreachable'; message: string }
  | { state: 'notReady'; reason: string; message: string; version?: string }
  | { state: 'ready'; version: string; license: LicenseFacts; nodeDefinitions: readonly string[]; nestedVirtualization: boolean; foreignPorts: readonly number[]; foreignLabs: number };

export interface WorkerWorld {
  /** Undefined: neither its template nor its overrides say what it offers. */
  offer: Offer | undefined;
  /** Licence that the template asks for. */
  wantedLicense: string | undefined;
  /** What the CML host said just now; undefined: it was not asked in this pass. */
  probe: Probe | undefined;
  /** Sessions in Scheduled..Stopped that are bound to it, as `namespace/name`. */
  sessions: readonly string[];
  /** Sessions that hold capacity of it and whose need is not known. */
  unknownDemands: readonly string[];
  /** Labs on it, and those of them that are being wiped or deleted right now. */
  labs: number;
  busyLabs: number;
  /** Limits in milliseconds of the (possibly scaled) clock: until the labs of a worker that ends are removed; between two heartbeats. */
  teardown: number;
  heartbeat: number;
  emit: boolean;
}
