/** What is wrong after a chaos run: a pure function of what is there in the end. */
import type { LabletDefinition } from '../../src/api/labletdefinition.ts';
import type { LabletSession } from '../../src/api/labletsession.ts';
import type { SimulatedWorld } from '../../hack/sim/world.ts';
import { getCondition } from '../../src/core/conditions.ts';
import { soakProblems } from '../soak/judge.ts';
import type { SoakOutcome } from '../soak/run.ts';
import type { Blow } from './blows.ts';

export interface ChaosOutcome extends SoakOutcome {
  readonly definitions: readonly LabletDefinition[];
  /** How many requests met each mood of the sink. */
  readonly met: ReadonlyMap<string, number>;
  /** What came to the sink and was no event of ours. */
  readonly strangers: readonly string[];
  /** All that were to fall, and those that fell, with the phases of the sessions that they met. */
  readonly blows: readonly Blow[];
  readonly fallen: readonly (Blow & { readonly phases: readonly string[] })[];
  /** What LDS and GradingEngine sent. */
  readonly inbound: Awaited<ReturnType<SimulatedWorld['eventsSent']>>;
}

/** A sentence for each thing that is wrong; empty: nothing was lost, doubled, reordered or stranded. */
export function chaosProblems(outcome: ChaosOutcome): string[] {
  const sessions = [...outcome.sessions.values()];
  return [
    // LDS cannot be asked whether a session was created: a controller that is killed between that call and its write leaves one that no object knows.
    ...soakProblems({ ...outcome, ldsSessions: outcome.ldsSessions.filter(({ id }) => isKnown(sessions, id)) }),
    ...[...sessions, ...outcome.definitions].flatMap((object) => completeness(object, outcome.deliveries)),
    ...outcome.strangers.map((what) => `the sink received what is no event of ours: ${what}`),
    ...(outcome.fallen.length === outcome.blows.length ? [] : [`only ${outcome.fallen.length} of ${outcome.blows.length} blows fell`]),
  ];
}

const isKnown = (sessions: readonly LabletSession[], id: string): boolean => sessions.some(({ status }) => status?.userSession?.ldsSessionId === id);

/** Every event that was ever recorded has come, from the first to the last, each for the first time after the one before it. */
function completeness({ metadata, status }: LabletSession | LabletDefinition, deliveries: ChaosOutcome['deliveries']): string[] {
  const own = deliveries.filter(({ source }) => source.endsWith(`/${metadata.uid}`));
  const arrived = [...new Set(own.map(({ sequence }) => sequence))];
  const recorded = Array.from({ length: status?.sequence ?? 0 }, (_, index) => index + 1);
  const told = getCondition(status, 'EventsDelivered');
  return [
    // A deleted object may have told more than was last seen of it, never less.
    ...(arrived.slice(0, recorded.length).join() === recorded.join() ? [] : [`${metadata.name}: ${recorded.length} events were recorded, and these came: ${arrived.join(', ')}`]),
    ...(told?.status === 'False' ? [`${metadata.name}: EventsDelivered is False: ${told.reason}, ${told.message ?? ''}`] : []),
  ];
}

/** A few figures of a run: that it was the chaos that it was meant to be. */
export function figures({ deliveries, met, inbound, fallen }: ChaosOutcome): string[] {
  const events = new Set(deliveries.map(({ source, id }) => `${source} ${id}`)).size;
  const phases = new Map<string, number>();
  for (const phase of fallen.flatMap((blow) => blow.phases)) phases.set(phase, (phases.get(phase) ?? 0) + 1);
  return [
    `${deliveries.length} deliveries of ${events} events at the sink, which ${[...met].sort().map(([mood, count]) => `${mood}: ${count}`).join(' · ')}`,
    `${inbound.reduce((sum, one) => sum + one.deliveries, 0)} deliveries of ${inbound.length} events of LDS and GradingEngine`,
    `${fallen.length} blows met sessions in ${[...phases].map(([phase, count]) => `${phase} ${count}`).join(', ')}`,
  ];
}
