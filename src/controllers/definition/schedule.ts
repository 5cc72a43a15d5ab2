/** When the topology of a definition is read: at once for a new version, then now and then, sooner while it cannot be used. */
import { currentHash, isSynced } from '../../core/definition-lifecycle.ts';
import { parseDuration } from '../../core/duration.ts';
import type { LabletDefinition } from '../../api/labletdefinition.ts';
import type { Content } from '../../core/definition-lifecycle.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Reading } from './gather.ts';

/** A ConfigMap that is missing is most often about to be applied: looked for every few seconds. */
const MISSING_MS = 3_000;
const FAULTY_FIRST_MS = 3_000;
const FAULTY_MAX_MS = 60_000;
const REFRESH = '10m';

interface Memory {
  /** The version and source that were read: another spec is read at once. */
  spec: string;
  at: number;
  everyMs: number;
  faults: number;
  /** The bytes that were read last, and what their source calls them. */
  seen: { sha256: string; etag: string } | undefined;
}

/** Remembers when each definition was read; a restart reads once more, which is harmless. */
export class ReadingSchedule {
  private readonly clock: Pick<Clock, 'monotonic'>;
  private readonly scale: number;
  private readonly memories = new Map<string, Memory>();

  constructor(clock: Pick<Clock, 'monotonic'>, scale: number) {
    this.clock = clock;
    this.scale = scale;
  }

  /** In how many milliseconds the topology is to be read; undefined: never again, an inline text changes with the spec only. */
  dueIn(definition: LabletDefinition): number | undefined {
    const { spec, metadata } = definition;
    const reading = this.memories.get(metadata.uid);
    if (reading?.spec !== specKey(definition)) return spec.topology.inline !== undefined && isSynced(definition) ? undefined : 0;
    if (spec.topology.inline !== undefined && reading.faults === 0) return undefined;
    return Math.max(0, reading.at + reading.everyMs - this.clock.monotonic());
  }

  /**
   * What the source called the bytes that were read last, so that it can say that they are unchanged. Only while they are
   * what new sessions get and nothing is wrong: else they are to be judged again.
   */
  etag(definition: LabletDefinition): string | undefined {
    const memory = this.memories.get(definition.metadata.uid);
    if (memory?.spec !== specKey(definition) || memory.faults > 0 || memory.seen?.sha256 !== currentHash(definition)) return undefined;
    return memory.seen?.etag;
  }

  /** The topology was read just now. `problem`: it cannot be used as it is. */
  read(definition: LabletDefinition, { content, etag }: Reading, problem: boolean): void {
    const { uid } = definition.metadata;
    const spec = specKey(definition);
    const known = this.memories.get(uid);
    const before = known?.spec === spec ? known : undefined;
    const faults = problem ? (before?.faults ?? 0) + 1 : 0;
    const seen = content.state === 'usable' && etag !== undefined ? { sha256: content.sha256, etag } : before?.seen;
    this.memories.set(uid, { spec, at: this.clock.monotonic(), everyMs: this.interval(definition, content, faults), faults, seen });
  }

  forget(uid: string): void {
    this.memories.delete(uid);
  }

  private interval({ spec }: LabletDefinition, content: Content, faults: number): number {
    if (spec.topology.configMapRef && content.state === 'missing' && content.reason === 'SourceNotFound') return MISSING_MS;
    if (faults > 0) return Math.min(FAULTY_MAX_MS, FAULTY_FIRST_MS * 2 ** (faults - 1));
    return parseDuration(spec.topology.refreshInterval ?? REFRESH) / this.scale;
  }
}

const specKey = ({ spec }: LabletDefinition): string => JSON.stringify([spec.version, spec.topology]);
