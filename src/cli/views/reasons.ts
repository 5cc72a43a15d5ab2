/**
 * What each reason means that the status of a session can name, and what would unblock it. The status itself has the
 * facts in its message; here is what a person does about them. Reasons of lifecycle, scheduler and calendar.
 */
import type { Rejection } from '../../core/scheduling.ts';

/** The names that a command to type needs. */
export interface Names {
  /** `cand-0042 -n exams` */
  session: string;
  namespace: string;
  definition: string;
  worker: string;
}

export interface Meaning {
  /** What it is, in a sentence. Absent: the message of the status says it. */
  means?: string;
  /** What would help, each a sentence. @param message of the status */
  help?: (names: Names, message: string) => string[];
}

const seeCalendar = (): string => 'See when there is room: kubectl lablet calendar';
const bookAnother = 'Create a new session.';
const askPlatform = ({ worker }: Names): string => `Ask the platform team to look at it: kubectl describe worker ${worker}`;
const regradeOrRelease = ({ session }: Names): string[] => [`Grade again: kubectl lablet regrade ${session}`, `Or let the lab go without a grade: kubectl lablet release ${session}`];
/** How the calendar begins where no time at all would do (src/core/booking.ts). */
const UNSERVABLE = 'could serve it even if nothing else were booked';
const moreWorkers = 'Add a Worker, raise maxWorkers of a WorkerTemplate, or wait for a session to end.';

/** Why no worker can have the session now. */
const REJECTED: Record<Rejection, Meaning> = {
  WorkerNotReady: { means: 'Workers that could serve it are not ready.', help: () => ['See what is wrong with them: kubectl lablet status'] },
  WorkerDraining: { means: 'Workers that could serve it are being drained.', help: ({ worker }) => [`Keep one in service: kubectl lablet drain ${worker} --cancel`, moreWorkers] },
  LicenseMismatch: { means: 'No worker has a licence that licenseAffinity of the definition names.', help: ({ definition, namespace }) => [`Compare: kubectl get workers, and kubectl get ldef ${definition} -n ${namespace} -o yaml`] },
  NodeLimit: { means: 'The nodes of its lab are more than the licences or templates of the workers have left.', help: () => [moreWorkers, seeCalendar()] },
  InsufficientResources: { means: 'No worker has enough CPU, memory or storage left.', help: () => [moreWorkers, seeCalendar()] },
  IncompatibleImage: { means: 'No worker runs the image, the CML version or the node definitions that its lab needs.', help: ({ definition, namespace }) => [`Compare images of the definition with the workers: kubectl get ldef ${definition} -n ${namespace} -o yaml, and kubectl get workers`] },
  NoPorts: { means: 'No worker has enough free ports left.', help: () => ['Widen portRange of the WorkerTemplate, or wait for labs to be removed.'] },
  NoNestedVirtualization: { means: 'Its nodes need hardware virtualisation, which no worker has.', help: () => ['Use a bare-metal instance type, or set nestedVirtualization: false in the definition if its nodes run without.'] },
  CapacityBooked: { means: 'There is room now, and it is promised to bookings that begin before this session would end.', help: () => [seeCalendar(), moreWorkers] },
};

const REASONS: Readonly<Record<string, Meaning>> = {
  ...REJECTED,
  Unschedulable: { means: 'There is no worker at all.', help: () => ['Create a Worker, or a WorkerTemplate that can make one.'] },

  // Before the admission.
  DefinitionNotFound: { help: ({ definition, namespace }) => [`Create it, or correct definitionRef: kubectl get ldef ${definition} -n ${namespace}`] },
  DefinitionNotReady: { help: ({ definition, namespace }) => [`See its condition Synced: kubectl describe ldef ${definition} -n ${namespace}`] },
  DefinitionVersionDeprecated: { help: () => [bookAnother] },
  InvalidTimeslot: { help: () => [bookAnother] },
  DuplicateReservation: { means: 'A booking was sent twice, or its number was used before.', help: () => ['Use the session that the message names, or end that one first.'] },

  // The calendar.
  NoCapacityInSlot: {
    means: 'The calendar has no room for its time.',
    help: ({ definition, namespace }, message) => (message.includes(UNSERVABLE)
      ? [`Compare what it needs with what there is: kubectl get ldef ${definition} -n ${namespace} -o yaml, kubectl get workers,wtpl`]
      : [seeCalendar(), 'Book one of the times that the message names, or add capacity; it is admitted as soon as there is room.']),
  },
  CapacityLost: { means: 'It was admitted, and a host that was counted on is gone since.', help: () => ['See which: kubectl lablet status', moreWorkers] },
  ExtensionRefused: { means: 'A later end was asked for and not granted; the slot is what it was.', help: () => [seeCalendar()] },
  Extended: { means: 'A later end was granted.' },

  // On the way to Ready.
  TimeslotMissed: { help: () => [bookAnother, seeCalendar()] },
  NoCapacity: { help: () => [bookAnother, seeCalendar()] },
  WorkerLost: { means: 'The host of its lab is gone, or has been silent for too long.', help: (names) => [askPlatform(names)] },
  InstantiationFailed: { means: 'The lab could not be made ready; the message names the step.', help: (names) => [`See all steps: kubectl lablet timeline ${names.session}`, askPlatform(names)] },
  InvalidTopology: { means: 'CML does not accept the topology; trying again is of no use.', help: ({ definition, namespace }) => [`Correct the topology and raise spec.version: kubectl edit ldef ${definition} -n ${namespace}`] },
  StepFailed: { help: ({ session }) => [`See all steps: kubectl lablet timeline ${session}`] },
  StepTriedAgain: { means: 'The step failed, and is tried again by itself.' },
  LdsUnavailable: { means: 'The candidate has no page in LDS; the definition allows that (ldsOptional).', help: ({ session }) => [`Start it by hand: kubectl lablet start ${session}`] },
  NoShow: { means: 'The lab was ready, and nobody came.', help: () => [bookAnother] },
  TimeslotEnded: { means: 'Its slot is over.' },
  MaxDurationReached: { means: 'The longest working time of the definition is over.' },
  DrainTimeout: { means: 'Its worker was being drained, and the time for that was over.', help: () => [bookAnother] },

  // Trouble while it goes on.
  WorkerUnreachable: { means: 'The CML host of its worker does not answer; the lab may be running all the same.', help: (names) => [askPlatform(names)] },
  LabStopped: { means: 'Somebody stopped its lab on the CML host.', help: ({ session, worker }) => [`Start the lab in CML on worker ${worker}, or end the session: kubectl lablet end ${session}`] },
  LabLost: { means: 'Its lab is gone from the CML host: deleted there, not by the controller.', help: () => [bookAnother] },

  Draining: { means: 'Its worker is being drained: what runs there goes on to its end, and what has not begun is moved.' },

  // Grading.
  CollectionFailed: { help: ({ session }) => [`See the steps: kubectl lablet timeline ${session}`] },
  CollectionTimeout: { help: ({ session }) => [`See the steps: kubectl lablet timeline ${session}`] },
  GradingFailed: { means: 'The GradingEngine could not grade the lab.', help: regradeOrRelease },
  GradingTimeout: { means: 'The GradingEngine sent no result in time.', help: () => ['Look at the GradingEngine; a result that arrives late is still stored.'] },
  HoldReleased: { means: 'The grading had failed, and the lab was let go without a grade.' },
  HoldExpired: { means: 'The grading had failed, and nobody acted while the lab was held.' },
  Regrading: { means: 'It is being graded again by request.' },
  RegradeRefused: { means: 'A grading was asked for outside of Grading: only a lab that is up can be graded.' },
  ScoreIsFinal: { means: 'A second, different result came; the first one is kept.', help: () => ['Ask those who run the GradingEngine which one is meant.'] },
  ScoreDisagrees: { means: 'The result says passed where the cut score says otherwise, or the other way round; the word of the result is kept.' },
  UnexpectedResult: { means: 'A result came for a session that was not being graded.' },
  UnreadableEvent: { means: 'An event that came early could not be read when it was time for it.', help: () => ['Its sender should send it again under a new id.'] },

  // The end.
  TeardownTimeout: { means: 'Not everything could be removed in time; the controller goes on removing what is left.', help: (names) => [askPlatform(names)] },
  Cancelled: { means: 'Somebody cancelled it.' },
  Ended: { means: 'Somebody ended it; what can be graded is graded.' },
  ForceTerminated: { means: 'Somebody ended it at once; what was left outside is removed later.' },
  Deleted: { means: 'The object was deleted.' },

  // Events.
  EventsLost: { means: 'Receivers of events have missed some of this session; its state is right all the same.', help: () => ['Look at the sink: the sequence of its events has a gap.'] },
  SinkRefuses: { means: 'The sink of events refuses one of this session.', help: () => ['Look at the sink and its log.'] },
  ArchiveGap: { means: 'The archive of events has a gap.', help: () => ['Look at the archive (ARCHIVE_URL).'] },

  // Held back.
  Paused: { means: 'It is paused by the annotation lablet.dev/paused: nothing is done for it, and no deadline takes effect.', help: ({ session }) => [`Go on: kubectl lablet resume ${session}`] },
  Restored: { means: 'It comes from a backup; what it says of workers and labs is not true any more.', help: ({ session }) => [`Run it as a new session: kubectl annotate lses ${session} lablet.dev/seen-uid-`, `Or delete it: kubectl delete lses ${session}`] },
  NotSeen: { means: 'No controller has looked at it.', help: ({ namespace }) => ['Is lablet-controller running, and does one of its replicas lead? kubectl get lease -A --field-selector metadata.name=lablet-controller', `Does WATCH_NAMESPACES of the controller name ${namespace}?`] },
};

/** Undefined: the reason is that of a part (a host, CML, LDS), whose message says all that is known. */
export const meaningOf = (reason: string): Meaning | undefined => (Object.hasOwn(REASONS, reason) ? REASONS[reason] : undefined);

/** Reasons of a session that goes its way, or has gone it. */
export const IN_ORDER: ReadonlySet<string> = new Set([
  'Created', 'BestFit', 'SlotNear', 'AsSoonAsPossible', 'LabConverged', 'UserStarted', 'StartedByHand', 'UserEnded', 'EvidenceCollected', 'Graded', 'Passed', 'NotPassed', 'Stopped', 'TornDown', 'ArchiveExpired', 'GradedLate', 'Regraded', 'Recovered', 'Delivered',
]);
