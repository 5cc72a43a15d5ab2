/** When the topology of a definition is read: at once for a new version, then now and then, sooner while it cannot be used. */
import { isSynced } from '../../core/definition-lifecycle.ts';
import { parseDuration } from '../../core/duration.ts';
import type { LabletDefinition } from '../../api/labletdefinition.ts';
import type { Content } from '../../core/definition-lifecycle.ts';
import type { Clock } from '../../runtime/clock.ts';

/** What is missing is most often about to be applied: looked for every few seconds. */
const MISSING_MS = 3_000;
const FAULTY_FIRST_MS = 3_000;
const FAULTY_MAX_MS = 60_000;
const REFRESH = '10m';

interface Reading {
  /** The version and source that were read: another spec is read at once. */
  spec: string;
  at: number;
  everyMs: number;
  faults: number;
}

/** Remembers when each definition was read; a restart reads once more, which is harmless. */
export class ReadingSchedule {
  private readonly clock: Pick<Clock, 'monotonic'>;
  private readonly scale: number;
  private readonly readings = new Map<string, Reading>();

  constructor(clock: Pick<Clock, 'monotonic'>, scale: number) {
    this.clock = clock;
    this.scale = scale;
  }

  /** In how many milliseconds the topology is to be read; undefined: never again, an inline text changes with the spec only. */
  dueIn(definition: LabletDefinition): number | undefined {
    const { spec, metadata } = definition;
    const reading = this.readings.get(metadata.uid);
    if (reading?.spec !== specKey(definition)) return spec.topology.inline !== undefined && isSynced(definition) ? undefined : 0;
    if (spec.topology.inline !== undefined && reading.faults === 0) return undefined;
    return Math.max(0, reading.at + reading.everyMs - this.clock.monotonic());
  }

  /** The topology was read just now. `problem`: it cannot be used as it is. */
  read(definition: LabletDefinition, content: Content, problem: boolean): void {
    const { uid } = definition.metadata;
    const before = this.readings.get(uid);
    const spec = specKey(definition);
    const faults = problem ? (before?.spec === spec ? before.faults : 0) + 1 : 0;
    this.readings.set(uid, { spec, at: this.clock.monotonic(), everyMs: this.interval(definition, content, faults), faults });
  }

  forget(uid: string): void {
    this.readings.delete(uid);
  }

  private interval({ spec }: LabletDefinition, content: Content, faults: number): number {
    if (content.state === 'missing' && content.reason === 'SourceNotFound') return MISSING_MS;
    if (faults > 0) return Math.min(FAULTY_MAX_MS, FAULTY_FIRST_MS * 2 ** (faults - 1));
    return parseDuration(spec.topology.refreshInterval ?? REFRESH) / this.scale;
  }
}

const specKey = ({ spec }: LabletDefinition): string => JSON.stringify([spec.version, spec.topology]);
