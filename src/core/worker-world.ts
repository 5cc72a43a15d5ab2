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
  | { state: 'ready'; version: string; license: LicenseFacts; nodeDefinitions: readonly string[]; nestedVirtualization: boolean; foreignPorts: readonly number[]; foreignLabs: number; lastActivity?: Date | undefined };

/** The machine of a worker as its provider shows it. `gone`: the provider knows of none (any more). */
export interface InstanceFacts {
  state: 'pending' | 'running' | 'stopping' | 'stopped' | 'shutting-down' | 'terminated' | 'gone';
  id?: string;
  /** Address at which the controller reaches its CML; absent until it has one. */
  address?: string;
  /** URL of its CML; absent until it has an address. */
  endpoint?: string;
  imageId?: string;
  imageName?: string;
}

/** What came of the attempt to make the machine of a Pending worker. `waiting`: it is tried again. */
export type Launch =
  | { state: 'launched'; instance: InstanceFacts }
  | { state: 'waiting'; reason: string; message: string }
  | { state: 'failed'; reason: string; message: string };

/** What we did about the licence of the host in this pass, where it was not registered. */
export interface Registration {
  reason: 'Registering' | 'RegistrationBusy' | 'TokenRefused' | 'TokenMissing' | 'RegistrationFailed' | 'RegistrationTimeout';
  message: string;
}

export interface WorkerWorld {
  /** Undefined: neither its template nor its overrides say what it offers. */
  offer: Offer | undefined;
  /** Licence that the template asks for. */
  wantedLicense: string | undefined;
  /** What the CML host said just now; undefined: it was not asked in this pass. */
  probe: Probe | undefined;
  registration: Registration | undefined;
  /** Its machine (ec2); undefined: a static host, or nobody has looked yet. */
  instance: InstanceFacts | undefined;
  /** Is it known where its machine would be (ec2)? Not without its template. */
  providerKnown: boolean;
  /** Undefined: nothing was tried in this pass. */
  launch: Launch | undefined;
  /** Is the licence given back, as far as it ever will be? Asked of a Terminating worker only. */
  licenseReleased: boolean;
  /** Sessions in Scheduled..Stopped that are bound to it, as `namespace/name`. */
  sessions: readonly string[];
  /** When the last of them will have ended, teardown included; undefined: none, or not known. */
  lastSessionEnd: Date | undefined;
  /** Sessions that hold capacity of it and whose need is not known. */
  unknownDemands: readonly string[];
  /** Labs on it, and those of them that are being wiped or deleted right now. */
  labs: number;
  busyLabs: number;
  /** Limits in milliseconds of the (possibly scaled) clock. */
  limits: WorkerLimits;
  emit: boolean;
  /** CLOUDEVENTS_SOURCE, if there is an archive. */
  archive?: string | undefined;
}

export interface WorkerLimits {
  /** Until the labs of a worker that ends are removed. */
  teardown: number;
  /** Between two heartbeats. */
  heartbeat: number;
  /** From the launch, or from a restart, to Running. */
  provisioning: number;
  /** A drain waits so long for sessions; then they are cancelled. */
  drain: number;
  /** What is left so long after that is ended by force. */
  drainForce: number;
  /** A Stopped worker is terminated after this; undefined: never. */
  stoppedTtl: number | undefined;
  /** A provider may show what was true before our last act for this long (real time). */
  settle: number;
}
