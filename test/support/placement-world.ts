/** Snapshots of a working day for the scheduler. What a judge of its decisions has to know is kept beside them in plain numbers. */
import type { Random } from '../../hack/sim/common/random.ts';
import type { Demand, Request, Waiting, WorkerSnapshot } from '../../src/core/scheduling.ts';

/** A host as it was drawn; the snapshot says the same in the words of the scheduler. */
export interface DrawnHost {
  readonly snapshot: WorkerSnapshot;
  /** The CML version without its leading 2: 10 is newer than 9. */
  readonly minor: number;
}

/** What a definition asks for. */
interface DrawnDefinition {
  readonly demand: Demand;
  readonly minors: { readonly from: number; readonly to: number };
  /** How the image of an EC2 worker begins. */
  readonly imagePrefix: string;
}

export interface DrawnSession extends Waiting {
  readonly definition: DrawnDefinition;
  readonly request: Request;
}

/** Hosts, and the sessions that wait for one. */
export interface World {
  readonly hosts: readonly DrawnHost[];
  readonly sessions: readonly DrawnSession[];
}

const GIB = 2 ** 30;
const NOON = Date.UTC(2026, 10, 23, 12);
const MINUTE = 60_000;
const DEFINITIONS = 20;
const LICENSES = ['Personal', 'Enterprise', 'Evaluation'];
const MINORS = [8, 9, 10];

const below = (random: Random, limit: number): number => Math.floor(random() * limit);
const oneOf = <T>(random: Random, all: readonly T[]): T => all[below(random, all.length)] as T;
const range = <T>(count: number, make: (index: number) => T): T[] => Array.from({ length: count }, (_, index) => make(index));

/** In another order. */
export const shuffled = <T>(items: readonly T[], random: Random): T[] => items.map((item) => ({ item, at: random() })).sort((a, b) => a.at - b.at).map(({ item }) => item);

/** Hosts from empty to full, of every kind; sessions of twenty definitions, among them some that few hosts can have or none. */
export function drawWorld(sessions: number, workers: number, random: Random): World {
  const definitions = range(DEFINITIONS, (index) => drawDefinition(index, random));
  return {
    hosts: range(workers, (index) => drawHost(index, random)),
    sessions: range(sessions, (index) => {
      const definition = oneOf(random, definitions);
      const key = `exams/s-${String(index).padStart(4, '0')}`;
      const created = new Date(NOON - below(random, 60) * MINUTE);
      const ports = range(definition.demand.portCount, (port) => ({ name: `p${port}`, node: `n${port}`, protocol: 'serial' }));
      return { key, created, start: random() < 0.5 ? undefined : new Date(NOON + below(random, 30) * MINUTE), definition, request: { key, demand: definition.demand, ports } };
    }),
  };
}

function drawHost(index: number, random: Random): DrawnHost {
  const [share, minor, license, isEc2] = [random() ** 2, oneOf(random, MINORS), oneOf(random, LICENSES), random() < 0.5];
  const nodeLimit = license === 'Personal' ? 20 : oneOf(random, [60, 200]);
  const nodes = Math.floor(share * nodeLimit);
  const end = 2_000 + oneOf(random, [15, 39, 400]);
  const snapshot: WorkerSnapshot = {
    name: `w-${String(index).padStart(3, '0')}`, phase: random() < 0.95 ? 'Running' : 'Starting', schedulable: random() < 0.98, draining: random() < 0.05, provider: isEc2 ? 'ec2' : 'static',
    license, nodeLimit, declared: { cpu: 48, memory: 192 * GIB, storage: 1_000 * GIB }, sessions: Math.ceil(nodes / 5),
    used: { cpu: Math.floor(48 * share), memory: Math.floor(192 * share) * GIB, storage: Math.floor(1_000 * share) * GIB, nodes },
    portRange: { start: 2_000, end }, takenPorts: new Set(range(end - 1_999, (port) => 2_000 + port).filter(() => random() < share)),
    imageName: isEc2 ? `cml-2.${minor}-${index}` : undefined, cmlVersion: `2.${minor}.0+build.${index}`, nodeDefinitions: new Set(random() < 0.8 ? ['iosv', 'ubuntu'] : ['iosv']),
    nestedVirtualization: random() < 0.8,
    reusableLabs: range(below(random, 4), (lab) => ({ name: `lab-${index}-${lab}`, definition: `exams/d-${below(random, DEFINITIONS)}@1.0.0`, state: 'Wiped' as const, storage: 0 })),
  };
  return { snapshot, minor };
}

function drawDefinition(index: number, random: Random): DrawnDefinition {
  const minors = oneOf(random, [{ from: 0, to: 99 }, { from: 9, to: 99 }, { from: 10, to: 99 }, { from: 0, to: 9 }]);
  // "cml-2.1" is how 2.10 begins, and not how 2.8 and 2.9 do.
  const imagePrefix = oneOf(random, ['', '', 'cml-2.', 'cml-2.1']);
  const demand: Demand = {
    definition: `exams/d-${index}@1.0.0`, resources: { cpu: oneOf(random, [1.5, 4, 8]), memory: oneOf(random, [4, 12, 40]) * GIB, storage: oneOf(random, [10, 120]) * GIB },
    nodeCount: oneOf(random, [1, 3, 8, 19, 90]), nodeDefinitions: random() < 0.7 ? ['iosv'] : ['iosv', 'ubuntu'], portCount: below(random, 13),
    images: [{ cmlVersionMin: `2.${minors.from}`, cmlVersionMax: `2.${minors.to}` }, ...(imagePrefix === '' ? [] : [{ namePattern: `${imagePrefix}*` }])],
    licenseAffinity: random() < 0.5 ? [] : [oneOf(random, LICENSES)], nestedVirtualization: random() < 0.7, labReuse: random() < 0.7,
  };
  return { demand, minors, imagePrefix };
}
