/** A definition version as a session uses it: frozen in a ControllerRevision, durations in milliseconds. */
import { parseDuration } from './duration.ts';
import { parseQuantity } from './quantity.ts';
import type { PortTemplate } from './ports.ts';
import type { LabletDefinitionSpec } from '../api/labletdefinition.ts';

export interface Resources {
  /** CPUs. */
  cpu: number;
  /** Bytes. */
  memory: number;
  /** Bytes. */
  storage: number;
}

export interface PinnedDefinition {
  namespace: string;
  name: string;
  uid: string;
  version: string;
  /** SHA-256 of the topology's bytes as it was fetched. */
  sha256: string;
  spec: LabletDefinitionSpec;
  nodeCount: number;
  nodeDefinitions: string[];
  ports: PortTemplate[];
}

/** The durations of a definition in milliseconds of the (possibly scaled) clock. */
export interface DefinitionDurations {
  maxDuration: number;
  maxExtension: number;
  bootLeadTime: number;
  /** 0: off. */
  noShowTimeout: number;
}

/** Durations of the spec divided by `scale` (TIME_SCALE; 1 in production). */
export function definitionDurations(spec: LabletDefinitionSpec, scale: number): DefinitionDurations {
  const scaled = (text: string): number => parseDuration(text) / scale;
  return {
    maxDuration: scaled(spec.maxDuration),
    maxExtension: scaled(spec.maxExtension),
    bootLeadTime: scaled(spec.bootLeadTime),
    noShowTimeout: scaled(spec.noShowTimeout),
  };
}

export function parseResources(resources: { cpu: string | number; memory: string | number; storage: string | number }): Resources {
  return { cpu: parseQuantity(resources.cpu), memory: parseQuantity(resources.memory), storage: parseQuantity(resources.storage) };
}
