/**
 * The life of a LabletDefinition: from the bytes of its topology to versions that sessions may use (contract §1.1). Pure.
 * A newer Active version deprecates the older one; nothing that went wrong with a source ever takes a version away.
 */
import { inc } from 'semver';
import { LABLET_DEFINITIONS } from '../api/kinds.ts';
import { sha256Hex } from './canonical.ts';
import { setCondition } from './conditions.ts';
import { recordEvent } from './outbox.ts';
import { pipelineProblem } from './pipeline-validation.ts';
import { toTime } from './time.ts';
import { InvalidTopologyError } from './topology/error.ts';
import { summarizeTopology } from './topology/summary.ts';
import type { LabletDefinition, LabletDefinitionSpec, LabletDefinitionStatus } from '../api/labletdefinition.ts';
import type { OutboxEntry } from '../api/outbox.ts';
import type { TopologySummary } from './topology/summary.ts';

/** Why the topology cannot be used: reasons of the condition Synced. */
export type SyncProblem =
  | 'SourceNotFound' | 'SourceForbidden' | 'SourceBlocked' | 'SourceInvalid' | 'SourceUnavailable'
  | 'InvalidPipeline' | 'InvalidTopology' | 'TopologyTooLarge' | 'HashMismatch' | 'ArtifactDrift' | 'RevisionTaken';

/** What the source of a topology gave, looked at once. `from` names the source for people. */
export type Content =
  /** The source says that what new sessions get is what it still has. */
  | { state: 'unchanged' }
  | { state: 'missing'; reason: SyncProblem; message: string }
  | { state: 'unusable'; from: string; sha256: string; reason: SyncProblem; message: string }
  | { state: 'usable'; from: string; sha256: string; topology: TopologySummary };

/** Everything that a ControllerRevision holds of a version (`revisionData` in src/controllers/revisions.ts). */
export interface FrozenVersion {
  version: string;
  sha256: string;
  spec: LabletDefinitionSpec;
  topology: string;
}

export interface DefinitionJudgement {
  status: LabletDefinitionStatus;
  /** The version to store before the status is written. */
  freeze: FrozenVersion | undefined;
  /** Versions whose stored copy goes before the status is written that no longer names them. */
  forget: string[];
  /** The problem to tell people of, if it is a new one. */
  problem: { reason: SyncProblem; message: string } | undefined;
  /** Events lost to a full outbox. */
  dropped: OutboxEntry[];
}

export interface DefinitionWorld {
  live: ReadonlyMap<string, number>;
  emit: boolean;
  /** CLOUDEVENTS_SOURCE, if there is an archive. */
  archive?: string | undefined;
}

/** Deprecated versions that nobody uses are kept up to this many, the Active one included. */
const KEPT_VERSIONS = 10;
/** etcd takes 1.5 MB, and quotes and line ends double in JSON. */
const MAX_FROZEN_BYTES = 1_400_000;

/** Reads the bytes of a topology once: hash, nodes, ports; or what is wrong with them. */
export function inspect(bytes: Uint8Array, from: string, spec: LabletDefinitionSpec): Content {
  const hash = sha256Hex(bytes);
  try {
    const { ports, devices } = spec;
    const topology = summarizeTopology(bytes, { ports, devices });
    const size = Buffer.byteLength(JSON.stringify({ spec, topology: topology.text }));
    if (size > MAX_FROZEN_BYTES) {
      return { state: 'unusable', from, sha256: hash, reason: 'TopologyTooLarge', message: `as JSON the version takes ${size} bytes; at most ${MAX_FROZEN_BYTES} can be stored. Make the topology smaller` };
    }
    return { state: 'usable', from, sha256: hash, topology };
  } catch (error) {
    if (!(error instanceof InvalidTopologyError)) throw error;
    return { state: 'unusable', from, sha256: hash, reason: error.reason, message: error.message };
  }
}

/** Is the version that the spec names stored already? */
export const isSynced = ({ spec, status }: LabletDefinition): boolean => status?.versions?.some(({ version }) => version === spec.version) ?? false;

/** SHA-256 of the topology that new sessions get. */
export const currentHash = ({ status }: LabletDefinition): string | undefined => status?.versions?.find(({ version }) => version === status.currentVersion)?.sha256;

/**
 * The next status.
 * @param content what was read just now; undefined: nothing was, the last word stands
 * @param world `live`: how many live sessions use each version; `emit`: is there anybody to send events to?
 */
export function judgeDefinition(definition: LabletDefinition, content: Content | undefined, world: DefinitionWorld, now: Date): DefinitionJudgement {
  const draft: LabletDefinitionStatus = structuredClone(definition.status ?? {});
  const { generation } = definition.metadata;
  const judgement: DefinitionJudgement = { status: draft, freeze: undefined, forget: [], problem: undefined, dropped: [] };
  if (!content || content.state === 'unchanged') return judgement;
  const problem = problemOf(definition, content);
  if (problem) {
    const before = draft.conditions?.find(({ type }) => type === 'Synced');
    if (before?.reason !== problem.reason || before.message !== problem.message) judgement.problem = problem;
    setCondition(draft, { type: 'Synced', status: 'False', ...problem }, now, generation);
  } else if (content.state === 'usable') {
    const version = versionToMake(definition, content.sha256);
    if (version !== undefined) activate(judgement, definition, version, content, world, now);
    setCondition(draft, { type: 'Synced', status: 'True', reason: 'Synced', message: `The topology was read from ${content.from}; SHA-256 ${content.sha256}.` }, now, generation);
  }
  setReady(draft, now, generation);
  if (generation !== undefined) draft.observedGeneration = generation;
  if (JSON.stringify(draft) !== JSON.stringify(definition.status ?? {})) draft.lastSyncTime = toTime(now);
  return judgement;
}

/** Live sessions of each version into the draft; versions without any have 0. */
export function countSessions(draft: LabletDefinitionStatus, live: ReadonlyMap<string, number>): void {
  if (draft.versions) draft.versions = draft.versions.map((known) => ({ ...known, sessions: live.get(known.version) ?? 0 }));
}

function problemOf(definition: LabletDefinition, content: Exclude<Content, { state: 'unchanged' }>): { reason: SyncProblem; message: string } | undefined {
  const pipeline = pipelineProblem(definition.spec);
  if (pipeline !== undefined) return { reason: 'InvalidPipeline', message: `${pipeline}.` };
  if (content.state === 'missing') return { reason: content.reason, message: content.message };
  const wanted = definition.spec.topology.sha256;
  if (wanted !== undefined && wanted !== content.sha256) {
    const what = `spec.topology.sha256 is ${wanted}, the bytes of ${content.from} have ${content.sha256}.`;
    return isSynced(definition)
      ? { reason: 'ArtifactDrift', message: `${what} The stored version ${definition.spec.version} stays in use; restore the content, or raise spec.version with the new hash.` }
      : { reason: 'HashMismatch', message: `${what} Correct one of them.` };
  }
  return content.state === 'unusable' ? { reason: content.reason, message: `${content.from}: ${content.message}` } : undefined;
}

/** The version that this content makes: the one of the spec, or, where watched bytes have changed since, the next patch. */
function versionToMake(definition: LabletDefinition, hash: string): string | undefined {
  if (!isSynced(definition)) return definition.spec.version;
  const current = definition.status?.currentVersion;
  const stored = currentHash(definition);
  if (current === undefined || stored === undefined || stored === hash) return undefined;
  return inc(current, 'patch') ?? undefined;
}

function activate(judgement: DefinitionJudgement, definition: LabletDefinition, version: string, { sha256: hash, topology }: Content & { state: 'usable' }, { live, emit, archive: base }: DefinitionWorld, now: Date): void {
  const draft = judgement.status;
  const replaced = draft.currentVersion;
  const older = (draft.versions ?? []).map((known) => (known.state === 'Active' ? { ...known, state: 'Deprecated' as const, replacedBy: version } : known));
  const kept = older.filter((known, index) => (live.get(known.version) ?? 0) > 0 || index > older.length - KEPT_VERSIONS);
  judgement.forget = older.filter((known) => !kept.includes(known)).map((known) => known.version);
  judgement.freeze = { version, sha256: hash, spec: { ...definition.spec, version }, topology: topology.text };
  draft.versions = [...kept, { version, sha256: hash, state: 'Active', sessions: 0 }];
  draft.currentVersion = version;
  draft.nodeCount = topology.nodeCount;
  draft.ports = topology.ports.map(({ name, node, protocol, inside, line }) => ({ name, node, protocol, ...(inside === undefined ? {} : { inside }), ...(line === undefined ? {} : { line }) }));
  if (!emit) return;
  const { name, uid } = definition.metadata;
  const context = { uid, now, archive: base === undefined ? undefined : { base, resource: LABLET_DEFINITIONS, metadata: definition.metadata } };
  const { formQualifiedName } = definition.spec;
  judgement.dropped = replaced === undefined
    ? recordEvent(draft, 'ccm.lablet.definition.created', { definition_id: uid, name, version, ...(formQualifiedName === undefined ? {} : { form_qualified_name: formQualifiedName }) }, context)
    : recordEvent(draft, 'ccm.lablet.definition.version.created', { definition_id: uid, old_version: replaced, new_version: version, lab_yaml_hash: hash }, context);
}

/** Ready speaks of what new sessions get, Synced of what was read last: a source that fails later leaves Ready alone. */
function setReady(draft: LabletDefinitionStatus, now: Date, generation: number | undefined): void {
  const { currentVersion } = draft;
  setCondition(
    draft,
    currentVersion === undefined
      ? { type: 'Ready', status: 'False', reason: 'NotSynced', message: 'No version could be read yet; the condition Synced says why.' }
      : { type: 'Ready', status: 'True', reason: 'VersionActive', message: `New sessions get version ${currentVersion}.` },
    now, generation,
  );
}
