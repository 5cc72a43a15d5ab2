/** Changes that the API server refuses because of what was before. */
import { definition, lab, report, session, template, worker } from './manifests.ts';
import type { Manifest } from './manifests.ts';

export interface Update {
  /** What somebody tries, in words. */
  readonly attempt: string;
  /** The object as it is, its status included. */
  readonly before: Manifest & { status?: object };
  /** Merge patch of the spec: null removes a field. */
  readonly change: object;
  /** What kubectl prints after `The KIND "NAME" is invalid: `; absent: the change is accepted. */
  readonly says?: string;
}

const CAN_NOT = 'cannot be changed; create a new session instead';
const ADD_OR_REMOVE = 'cannot be added or removed; create a new session instead';
const RAISE = 'spec.version must be raised above 1.2.0: every change of the spec other than warmPool makes a new version';

const titled = definition({ title: 'Campus edge' });
/** Changed content was detected, and made version 1.2.5. */
const detected = { ...definition(), status: { currentVersion: '1.2.5' } };
const start = '2026-11-23T10:00:00Z';
const end = '2026-11-23T11:30:00Z';
const later = '2026-11-23T11:45:00Z';
const booked = session({ timeslot: { start, end }, reservationId: 'res-5521', candidate: { id: 'ada' } });
const asap = session();
const inPhase = (phase: string, before: Manifest = booked) => ({ ...before, status: { phase } });
const ended = session({ desiredState: 'Ended' });
const terminated = session({ desiredState: 'Terminated' });
const free = lab({ sessionRef: undefined });
const other = { namespace: 'exams', name: 'grace', uid: '0c9d1e2f-3a4b-4c5d-8e6f-708192a3b4c5' };

const DEFINITIONS: Update[] = [
  { attempt: 'change the title under the same version', before: titled, change: { title: 'Campus core' }, says: `spec.version: Invalid value: ${RAISE}` },
  { attempt: 'add a title under the same version', before: definition(), change: { title: 'Campus edge' }, says: `spec.version: Invalid value: ${RAISE}` },
  { attempt: 'remove the title under the same version', before: titled, change: { title: null }, says: `spec.version: Invalid value: ${RAISE}` },
  { attempt: 'change the topology under the same version', before: definition(), change: { topology: { inline: 'lab: {title: x}' } }, says: `spec.version: Invalid value: ${RAISE}` },
  { attempt: 'change a default under the same version', before: definition(), change: { labReuse: false }, says: `spec.version: Invalid value: ${RAISE}` },
  { attempt: 'go back to an older version', before: definition(), change: { version: '1.1.9' }, says: `spec.version: Invalid value: ${RAISE}` },
  { attempt: 'go back to a pre-release of the version', before: definition(), change: { version: '1.2.0-rc.1' }, says: `spec.version: Invalid value: ${RAISE}` },
  {
    attempt: 'write a version that is lower than a detected one', before: detected, change: { version: '1.2.4', title: 'Campus core' },
    says: 'spec.version: Invalid value: spec.version must be greater than 1.2.5, the version in status.currentVersion',
  },
  { attempt: 'change the title with a greater version', before: titled, change: { title: 'Campus core', version: '1.10.0' } },
  { attempt: 'write a version above a detected one', before: detected, change: { version: '1.2.6' } },
  { attempt: 'resize the warm pool under the same version', before: definition(), change: { warmPool: { size: 3 } } },
  { attempt: 'resize the warm pool of a definition with a detected version', before: detected, change: { warmPool: { size: 3 } } },
];

const SESSIONS: Update[] = [
  { attempt: 'take another definition', before: booked, change: { definitionRef: { name: 'wan-core' } }, says: `spec.definitionRef: Invalid value: definitionRef ${CAN_NOT}` },
  { attempt: 'pin another version', before: booked, change: { definitionRef: { version: '1.3.0' } }, says: `spec.definitionRef: Invalid value: definitionRef ${CAN_NOT}` },
  { attempt: 'change the owner', before: booked, change: { owner: 'proctor-8' }, says: `spec.owner: Invalid value: "proctor-8": owner ${CAN_NOT}` },
  { attempt: 'change the candidate', before: booked, change: { candidate: { id: 'grace' } }, says: `spec.candidate: Invalid value: candidate ${CAN_NOT}` },
  { attempt: 'remove the candidate', before: booked, change: { candidate: null }, says: `spec: Invalid value: candidate ${ADD_OR_REMOVE}` },
  { attempt: 'change the reservation', before: booked, change: { reservationId: 'res-5522' }, says: `spec.reservationId: Invalid value: "res-5522": reservationId ${CAN_NOT}` },
  { attempt: 'add a reservation', before: asap, change: { reservationId: 'res-5522' }, says: `spec: Invalid value: reservationId ${ADD_OR_REMOVE}` },
  { attempt: 'move the start', before: booked, change: { timeslot: { start: '2026-11-23T10:05:00Z' } }, says: `spec.timeslot: Invalid value: timeslot.start ${CAN_NOT}` },
  { attempt: 'book a start for a session that starts as soon as possible', before: asap, change: { timeslot: { start } }, says: `spec: Invalid value: timeslot.start ${ADD_OR_REMOVE}` },
  { attempt: 'remove the slot', before: booked, change: { timeslot: null }, says: 'spec: Invalid value: timeslot cannot be removed; create a new session instead' },
  {
    attempt: 'shorten the slot', before: booked, change: { timeslot: { end: '2026-11-23T11:00:00Z' } },
    says: 'spec.timeslot: Invalid value: timeslot.end can only be moved later (an extension); set desiredState: Ended to finish earlier',
  },
  ...['Stopping', 'Stopped', 'Archived', 'Terminated'].map((phase) => ({
    attempt: `extend a session that is ${phase}`, before: inPhase(phase), change: { timeslot: { end: later } },
    says: 'spec.timeslot.end: Invalid value: timeslot.end cannot be moved any more: the session has ended; create a new session',
  })),
  ...[
    { from: terminated, to: 'Ended' }, { from: terminated, to: 'Active' }, { from: ended, to: 'Active' },
  ].map(({ from, to }) => ({
    attempt: `go back from ${String(from.spec['desiredState'])} to ${to}`, before: from, change: { desiredState: to },
    says: `spec.desiredState: Invalid value: "${to}": desiredState moves only from Active to Ended to Terminated; create a new session to start again`,
  })),
  { attempt: 'extend a running session', before: inPhase('Running'), change: { timeslot: { end: later } } },
  { attempt: 'extend a running session that started as soon as possible', before: inPhase('Running', asap), change: { timeslot: { end: later } } },
  { attempt: 'end a session', before: asap, change: { desiredState: 'Ended' } },
  { attempt: 'stop an ended session at once', before: ended, change: { desiredState: 'Terminated' } },
  { attempt: 'stop a session that is Stopping', before: inPhase('Stopping'), change: { desiredState: 'Terminated' } },
];

const HOSTS: Update[] = [
  { attempt: 'give a worker another template', before: worker(), change: { templateName: 'lab-room-2' }, says: 'spec.templateName: Invalid value: "lab-room-2": templateName cannot be changed; create another Worker' },
  { attempt: 'turn a static template into an EC2 one', before: template({ instanceType: 'm5zn.metal', imagePattern: 'cml*', region: 'us-east-1' }), change: { provider: 'ec2' }, says: 'spec.provider: Invalid value: "ec2": provider cannot be changed; create another WorkerTemplate' },
  { attempt: 'drain a worker', before: worker(), change: { desiredState: 'Draining' } },
];

const ONLY_THE_CLAIM = 'spec: Invalid value: only sessionRef of a Lab can change; a Lab is written by the controller, delete it to be rid of it';
const RECORDS: Update[] = [
  { attempt: 'move a lab to another worker', before: lab(), change: { workerName: 'onprem-cml-02' }, says: ONLY_THE_CLAIM },
  { attempt: 'take a port from a lab', before: lab(), change: { ports: [] }, says: ONLY_THE_CLAIM },
  {
    attempt: 'claim a lab that another session holds', before: lab(), change: { sessionRef: other },
    says: 'spec: Invalid value: a claimed Lab must be released (sessionRef removed) before another session can claim it',
  },
  { attempt: 'claim a free lab', before: free, change: { sessionRef: other } },
  { attempt: 'release a lab', before: lab(), change: { sessionRef: null } },
  { attempt: 'improve a score', before: report(), change: { score: 99 }, says: 'spec: Invalid value: a ScoreReport cannot be changed; a re-grade makes a further one' },
];

export const UPDATES: readonly Update[] = [...DEFINITIONS, ...SESSIONS, ...HOSTS, ...RECORDS];
