/** What happens to the controllers in a chaos run: drawn from a seed, so that a run can be played again. */
import { seededRandom } from '../../hack/sim/common/random.ts';
import type { Fleet } from './fleet.ts';

const KILLS = ['kill the leader', 'kill the leader', 'kill the standby'] as const;
/** Taken in turn, so that each of them happens where there are enough. */
const LEADER_CHANGES = ['stop the leader', 'lose the leader', 'cut the leader off', 'freeze the leader'] as const;
/** Longest pause between the moment of a blow and the blow: about as long as a session stays in a phase. */
const PAUSE_MS = 1_500;

export interface Blow {
  readonly what: (typeof KILLS)[number] | (typeof LEADER_CHANGES)[number];
  /** It falls when so many sessions have ended, and so many milliseconds later. */
  readonly afterEnded: number;
  readonly pauseMs: number;
}

export interface BlowCounts {
  readonly sessions: number;
  readonly kills: number;
  readonly leaderChanges: number;
  readonly seed: string;
}

/** All blows in the order in which they fall, spread over the lives of the sessions. */
export function drawBlows({ sessions, kills, leaderChanges, seed }: BlowCounts): Blow[] {
  const random = seededRandom(`blows/${seed}`);
  const kinds: Blow['what'][] = [
    ...Array.from({ length: kills }, () => KILLS[Math.floor(random() * KILLS.length)] ?? KILLS[0]),
    ...Array.from({ length: leaderChanges }, (_, index) => LEADER_CHANGES[index % LEADER_CHANGES.length] ?? LEADER_CHANGES[0]),
  ];
  const shuffled = kinds.map((what) => ({ what, at: random() })).sort((a, b) => a.at - b.at);
  // The first falls before anybody has ended, the last while there is still something to lose.
  return shuffled.map(({ what }, index) => ({ what, afterEnded: Math.floor((sessions * 0.9 * index) / shuffled.length), pauseMs: Math.floor(random() ** 2 * PAUSE_MS) }));
}

/** Resolves when the fleet is whole again. */
export async function strike(fleet: Fleet, { what }: Blow): Promise<void> {
  switch (what) {
    case 'kill the leader':
      return fleet.kill('leader');
    case 'kill the standby':
      return fleet.kill('standby');
    case 'stop the leader':
      return fleet.stopLeader();
    case 'lose the leader':
      return fleet.loseLeader();
    case 'cut the leader off':
      return fleet.isolateLeader('cut');
    case 'freeze the leader':
      return fleet.isolateLeader('freeze');
  }
}
