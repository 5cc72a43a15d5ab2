/**
 * Judges decisions of the scheduler without asking it: the rules of the contract (§3.3, §4.1) are written down a second
 * time, over the plain numbers from which the snapshot was drawn.
 */
import type { Assignment } from '../../src/core/scheduling.ts';
import type { DrawnHost, DrawnSession, World } from './placement-world.ts';

/** What a host holds: what the snapshot says, and what was decided since. */
interface Held {
  cpu: number;
  memory: number;
  storage: number;
  nodes: number;
  readonly ports: Set<number>;
  readonly labs: Map<string, string>;
}

/** Every offence of a round of decisions, as sentences; none: it is legal. The decisions are in the order in which they were made. */
export function offences(decisions: readonly Assignment[], { hosts, sessions }: World): string[] {
  const byKey = new Map(sessions.map((session) => [session.key, session]));
  const byName = new Map(hosts.map((host) => [host.snapshot.name, { host, held: heldAtFirst(host) }]));
  const found = decisions.flatMap((decision) => {
    const session = byKey.get(decision.key);
    if (!session) return [`${decision.key} is no session, or was decided about twice`];
    byKey.delete(decision.key);
    if (decision.kind === 'wait') {
      // Where the calendar has promised the room to others, it says so of each host that would fit.
      const fitting = [...byName.values()].filter(({ host, held }) => fits(host, held, session)).length;
      const promised = decision.rejections.CapacityBooked ?? 0;
      return fitting === promised ? [] : [`${decision.key} waits, and ${fitting - promised} hosts would fit: ${decision.message}`];
    }
    const chosen = byName.get(decision.workerName);
    if (!chosen) return [`${decision.key} goes to ${decision.workerName}, which does not exist`];
    const before = fits(chosen.host, chosen.held, session) ? [] : [`${decision.key} goes to ${decision.workerName}, which cannot have it`];
    return [...before, ...take(chosen.host, chosen.held, session, decision)];
  });
  return [...found, ...[...byKey.keys()].map((key) => `nobody decided about ${key}`)];
}

const heldAtFirst = ({ snapshot: { used, takenPorts, reusableLabs } }: DrawnHost): Held => ({
  ...used, ports: new Set(takenPorts), labs: new Map(reusableLabs.map(({ name, definition }) => [name, definition])),
});

function fits({ snapshot, minor }: DrawnHost, held: Held, { definition: { demand, minors, imagePrefix } }: DrawnSession): boolean {
  const { declared } = snapshot;
  const { cpu, memory, storage } = demand.resources;
  const freePorts = snapshot.portRange.end - snapshot.portRange.start + 1 - held.ports.size;
  return snapshot.phase === 'Running' && snapshot.schedulable && !snapshot.draining
    && (demand.licenseAffinity.length === 0 || demand.licenseAffinity.some((license) => license === snapshot.license))
    && held.nodes + demand.nodeCount <= snapshot.nodeLimit
    && held.cpu + cpu <= declared.cpu && held.memory + memory <= declared.memory && held.storage + storage <= declared.storage
    && minor >= minors.from && minor <= minors.to
    && (snapshot.imageName === undefined || snapshot.imageName.startsWith(imagePrefix))
    && demand.nodeDefinitions.every((name) => snapshot.nodeDefinitions?.has(name))
    && (freePorts >= demand.portCount || (demand.labReuse && [...held.labs.values()].includes(demand.definition)))
    && (!demand.nestedVirtualization || snapshot.nestedVirtualization);
}

/** Counts the session on its host, and tells what it takes twice. */
function take({ snapshot }: DrawnHost, held: Held, { definition: { demand } }: DrawnSession, { key, reuse, ports }: Extract<Assignment, { kind: 'assign' }>): string[] {
  const found: string[] = [];
  held.cpu += demand.resources.cpu;
  held.memory += demand.resources.memory;
  held.storage += demand.resources.storage;
  held.nodes += demand.nodeCount;
  if (reuse) {
    if (held.labs.get(reuse.name) !== demand.definition) found.push(`${key} gets ${reuse.name}, which is not of its version, not there or somebody else's`);
    held.labs.delete(reuse.name);
  } else if (ports.length !== demand.portCount) found.push(`${key} gets ${ports.length} of ${demand.portCount} ports`);
  for (const { number } of ports) {
    if (held.ports.has(number)) found.push(`${key} gets port ${number}, which is taken`);
    if (number < snapshot.portRange.start || number > snapshot.portRange.end) found.push(`${key} gets port ${number}, which is not one of the host`);
    held.ports.add(number);
  }
  return found;
}
