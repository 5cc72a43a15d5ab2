import type { CallOptions } from '../call.ts';
import type { Secret } from '../secret.ts';

/** A lab is DEFINED_ON_CORE until its first start and again after a wipe; there is no BOOTED lab state: see `converged`. */
export type CmlLabState = 'DEFINED_ON_CORE' | 'STOPPED' | 'STARTED' | 'UNKNOWN';
export type CmlNodeState = CmlLabState | 'QUEUED' | 'BOOTED' | 'DISCONNECTED';

export interface CmlSystemInformation {
  /** As CML writes it, "2.9.1+build.4"; compare with cml/version.ts, never as text. */
  readonly version: string;
  /** False while CML still starts. */
  readonly ready: boolean;
}

export interface CmlHealth {
  readonly valid: boolean;
  readonly licensed: boolean;
  readonly enterprise: boolean;
  readonly computes: readonly {
    readonly hostname: string;
    readonly valid: boolean;
    readonly controller: boolean;
    /** The host can run KVM guests (nested virtualisation); false where it does not say. */
    readonly virtualization: boolean;
  }[];
}

/** Of all compute hosts together; memory and disk in bytes. */
export interface CmlStats {
  readonly cpu: { readonly count: number; readonly percent: number };
  readonly memory: { readonly used: number; readonly free: number; readonly total: number };
  readonly disk: { readonly used: number; readonly free: number; readonly total: number };
}

export interface CmlLicensing {
  /** "COMPLETED", "IN_PROGRESS", "NOT_REGISTERED", … */
  readonly registration: string;
  /** "IN_COMPLIANCE", "EVAL", "OUT_OF_COMPLIANCE", … */
  readonly authorization: string;
  /** "CML_Personal", "CML_Enterprise", … */
  readonly product: string;
  readonly enterprise: boolean;
}

export interface CmlLab {
  readonly id: string;
  readonly title: string;
  readonly state: CmlLabState;
  /** CML's id of the owning user. */
  readonly owner: string;
  /** The owner is the login that this client uses. The orphan sweep touches nothing else (contract §4.4). */
  readonly ownedByUs: boolean;
  readonly nodeCount: number;
  /** As CML gives it, RFC 3339; empty where it gives none. */
  readonly created: string;
}

export interface CmlConsole {
  readonly key: string;
  readonly label: string;
  /** The console line on the node, from 0. */
  readonly line: number;
}

export interface CmlNode {
  readonly id: string;
  readonly label: string;
  readonly nodeDefinition: string;
  readonly state: CmlNodeState;
  /** CML's own words, e.g. "Booted"; empty while the node is not running. */
  readonly bootProgress: string;
  readonly tags: readonly string[];
  readonly consoles: readonly CmlConsole[];
}

export interface CmlTopology {
  readonly title: string;
  readonly nodes: readonly {
    readonly id: string;
    readonly label: string;
    readonly tags: readonly string[];
    /** Named configuration files; empty if configurations were not asked for. */
    readonly configurations: readonly { readonly name: string; readonly content: string }[];
  }[];
  readonly smartAnnotations: readonly { readonly tag: string; readonly label: string }[];
  /** The whole answer, for the evidence bundle. */
  readonly document: Readonly<Record<string, unknown>>;
}

export interface CmlTelemetryEvent {
  readonly category: string;
  /** RFC 3339. */
  readonly timestamp: string;
  readonly data: Readonly<Record<string, unknown>>;
}

/**
 * One CML host (contract §13). All calls throw ExternalError; calls on a lab that is gone throw it with kind
 * `notFound`. Everything but `importLab` and the licensing calls may be repeated without harm.
 */
export interface CmlPort {
  /** Needs no login. Tried once, past an open circuit: the way to find out that a host is up. */
  systemInformation(options: CallOptions): Promise<CmlSystemInformation>;
  /** Resolves if the credentials are accepted, throws kind `unauthorized` if not. */
  checkLogin(options: CallOptions): Promise<void>;
  health(options: CallOptions): Promise<CmlHealth>;
  stats(options: CallOptions): Promise<CmlStats>;
  licensing(options: CallOptions): Promise<CmlLicensing>;
  /** Node definitions with the images that the host has for them. */
  nodeDefinitions(options: CallOptions): Promise<readonly { readonly id: string; readonly images: readonly string[] }[]>;

  /** Ids of every lab on the host, of all owners: one call. */
  labIds(options: CallOptions): Promise<readonly string[]>;
  /** Every lab on the host, of all owners: a call for each. */
  listLabs(options: CallOptions): Promise<readonly CmlLab[]>;
  /**
   * Labs with exactly this title and owned by us, oldest first. More than one means that an import was repeated
   * after its answer was lost: keep the first. CML has no search by title, so this reads every lab on the host but
   * those in `except` (ids known to be other labs).
   */
  findLabsByTitle(title: string, options: CallOptions & { readonly except?: ReadonlySet<string> }): Promise<readonly CmlLab[]>;
  lab(labId: string, options: CallOptions): Promise<CmlLab>;
  /** Not idempotent: call `findLabsByTitle` first. Kind `badRequest`: CML refuses the topology, do not retry. */
  importLab(title: string, yaml: string, options: CallOptions): Promise<{ readonly id: string; readonly warnings: readonly string[] }>;
  /** Kind `badRequest` if it cannot start now, e.g. for lack of licensed nodes. */
  startLab(labId: string, options: CallOptions): Promise<void>;
  /** CML answers at once and stops in the background: poll `lab` or `converged`. */
  stopLab(labId: string, options: CallOptions): Promise<void>;
  /** Only of a stopped lab. */
  wipeLab(labId: string, options: CallOptions): Promise<void>;
  /** Only of a stopped and wiped lab; resolves too if the lab is already gone. */
  deleteLab(labId: string, options: CallOptions): Promise<void>;
  /** All nodes have reached their final state: the barrier after a start. */
  converged(labId: string, options: CallOptions): Promise<boolean>;

  nodes(labId: string, options: CallOptions): Promise<readonly CmlNode[]>;
  /** Replaces the whole list: merge with the tags that `nodes` shows first. */
  setTags(labId: string, nodeId: string, tags: readonly string[], options: CallOptions): Promise<void>;
  /** Makes CML read the running configuration from the node; `topology` then has it. */
  extractConfiguration(labId: string, nodeId: string, options: CallOptions): Promise<void>;
  /** The text that the console has shown so far, or its newest `lines`. */
  consoleLog(labId: string, nodeId: string, line: number, options: CallOptions & { readonly lines?: number }): Promise<string>;
  topology(labId: string, options: CallOptions & { readonly includeConfigurations: boolean }): Promise<CmlTopology>;

  /** "CML_Personal", "CML_Enterprise": must be set before `registerLicence`. */
  setLicenceProduct(product: string, options: CallOptions): Promise<void>;
  /**
   * Starts a registration; poll `licensing` until COMPLETED and IN_COMPLIANCE. `badRequest`: the token is bad, do
   * not retry; `conflict`: CML is busy with an earlier request.
   */
  registerLicence(token: Secret<string>, options: CallOptions): Promise<void>;
  /** Resolves too if the host was not registered; `conflict`: CML is busy, retry. */
  deregisterLicence(options: CallOptions): Promise<void>;
  telemetryEvents(options: CallOptions): Promise<readonly CmlTelemetryEvent[]>;
}
