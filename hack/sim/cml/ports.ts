import { isRunning, type SimLab } from './lab.ts';

/** The window of ports that the port service serves; tags outside of it are silently ignored. */
export interface PortWindow {
  readonly start: number;
  readonly end: number;
}

/** A TCP or UDP port of the host that a running node asks for by a tag. */
export interface PortClaim {
  readonly port: number;
  readonly transport: 'tcp' | 'udp';
  readonly tag: string;
  readonly lab: string;
  readonly title: string;
  readonly node: string;
}

/** Two running nodes that ask for the same port: only the first one is served. */
export interface PortClash {
  readonly port: number;
  readonly winner: PortClaim;
  readonly loser: PortClaim;
}

const SIMPLE = /^(?:serial|vnc|ssh|telnet|tcp|http|https):(\d+)(?::\d+)?$/;
const PAT = /^pat:(?:(tcp|udp):)?(\d+):\d+$/;

/** The host port that a tag asks for, if it is a port tag at all. */
function portOfTag(tag: string): { port: number; transport: 'tcp' | 'udp' } | undefined {
  const simple = SIMPLE.exec(tag);
  if (simple) return { port: Number(simple[1]), transport: 'tcp' };
  const pat = PAT.exec(tag);
  return pat ? { port: Number(pat[2]), transport: pat[1] === 'udp' ? 'udp' : 'tcp' } : undefined;
}

/** Which ports the running labs take, which they fight for, and which tags nobody serves. */
export function claimPorts(labs: readonly SimLab[], window: PortWindow): { served: PortClaim[]; clashes: PortClash[]; ignored: PortClaim[] } {
  const served = new Map<string, PortClaim>();
  const clashes: PortClash[] = [];
  const ignored: PortClaim[] = [];
  for (const claim of labs.flatMap(claimsOf)) {
    const key = `${claim.transport}/${claim.port}`;
    const winner = served.get(key);
    if (claim.port < window.start || claim.port > window.end) ignored.push(claim);
    else if (winner) clashes.push({ port: claim.port, winner, loser: claim });
    else served.set(key, claim);
  }
  return { served: [...served.values()], clashes, ignored };
}

function claimsOf(lab: SimLab): PortClaim[] {
  return lab.nodes.filter(isRunning).flatMap((node) =>
    node.tags.flatMap((tag) => {
      const port = portOfTag(tag);
      return port ? [{ ...port, tag, lab: lab.id, title: lab.title, node: node.label }] : [];
    }),
  );
}
