import type { CallOptions } from '../call.ts';

/** The states of EC2, which say all that is needed of any machine. */
export const INSTANCE_STATES = ['pending', 'running', 'stopping', 'stopped', 'shutting-down', 'terminated'] as const;
export type InstanceState = (typeof INSTANCE_STATES)[number];

/** One machine that runs, or could run, a CML. */
export interface Instance {
  readonly id: string;
  readonly state: InstanceState;
  readonly privateIp?: string;
  readonly publicIp?: string;
  readonly type?: string;
  readonly imageId?: string;
  readonly tags: Readonly<Record<string, string>>;
  /** RFC 3339. */
  readonly launchedAt?: string;
}

export interface Image {
  readonly id: string;
  readonly name: string;
  /** RFC 3339. */
  readonly createdAt: string;
}

export interface LaunchRequest {
  /** The same token is the same machine: at most 60 characters of ASCII, never used for another launch. */
  readonly token: string;
  readonly workerUid: string;
  readonly imageId: string;
  readonly instanceType: string;
  /** Tried in order as long as there is no capacity; empty: where the provider likes. */
  readonly subnetIds: readonly string[];
  readonly securityGroupIds: readonly string[];
  readonly keyName?: string | undefined;
  /** All tags of the machine; `ourTags` among them. */
  readonly tags: Readonly<Record<string, string>>;
}

export type Selection = { readonly ids: readonly string[] } | { readonly tags: Readonly<Record<string, string>> };

/**
 * Where workers come from (contract §8). Every call throws ExternalError, may be repeated without harm, and ends with
 * its signal. A provider may show for a few seconds what was true before the last call.
 */
export interface WorkerProvider {
  /** False: the machines are not ours. They are never made, and `start`, `stop` and `terminate` leave them as they are. */
  readonly ownsMachines: boolean;
  /**
   * The machine of a worker: the one that carries its tag and is not ending, else a new one. Neither a repetition nor
   * a lost answer makes a second one.
   * @throws ExternalError of kind `capacity` if none of the subnets has room, or a quota is used up; `outcomeUnknown`
   * if the answer was lost: call again with the same token
   */
  ensureInstance(request: LaunchRequest, options: CallOptions): Promise<Instance>;
  /** Machines by id (those that do not exist are left out) or by tags; ended ones are among them for as long as the provider knows them. */
  describe(which: Selection, options: CallOptions): Promise<readonly Instance[]>;
  /** Resolves to the state right after the call. */
  start(id: string, options: CallOptions): Promise<InstanceState>;
  stop(id: string, options: CallOptions): Promise<InstanceState>;
  /** Resolves to `terminated` for a machine that does not exist. */
  terminate(id: string, options: CallOptions): Promise<InstanceState>;
  /** The newest usable image whose name matches the glob. */
  resolveImage(pattern: string, options: CallOptions): Promise<Image | undefined>;
  close(): Promise<void>;
}

/** The tags by which our machines are found again, and told from those of others and of other clusters. */
export const TAG = {
  name: 'Name', managedBy: 'lcm:managed_by', cluster: 'lcm:cluster', workerUid: 'lcm:worker-uid', worker: 'lcm:worker', template: 'lcm:template',
} as const;

/** Tags of every machine that one cluster made. */
export const clusterTags = (clusterId: string): Record<string, string> => ({ [TAG.managedBy]: 'lablet-controller', [TAG.cluster]: clusterId });

/** Tags of the machine of one worker. Those of the template may add to them and cannot replace them. */
export function ourTags(worker: { uid: string; name: string; template: string }, clusterId: string, more: Readonly<Record<string, string>> = {}): Record<string, string> {
  return { ...more, ...clusterTags(clusterId), [TAG.name]: worker.name, [TAG.worker]: worker.name, [TAG.workerUid]: worker.uid, [TAG.template]: worker.template };
}

/** Gives the provider of a region; providers are kept. */
export interface Providers {
  ec2(region: string): WorkerProvider;
  close(): Promise<void>;
}
