/**
 * Every metric of the program, as data: name, help, labels, buckets. The registry and the reference
 * documentation are made from it. Labels are short closed sets (phases, types, results): never a
 * session's name or uid, which would make one series a session.
 */

export interface MetricSpec<Kind extends 'counter' | 'gauge' | 'histogram' = 'counter' | 'gauge' | 'histogram', Label extends string = string> {
  readonly kind: Kind;
  readonly name: string;
  readonly help: string;
  readonly labels: readonly Label[];
  /** Upper bounds of a histogram, in the unit that the name ends with. */
  readonly buckets?: readonly number[];
}

function counter<const Label extends string = never>(name: string, help: string, labels: readonly Label[] = []): MetricSpec<'counter', Label> {
  return { kind: 'counter', name, help, labels };
}

function gauge<const Label extends string = never>(name: string, help: string, labels: readonly Label[] = []): MetricSpec<'gauge', Label> {
  return { kind: 'gauge', name, help, labels };
}

function histogram<const Label extends string = never>(
  name: string, help: string, buckets: readonly number[], labels: readonly Label[] = [],
): MetricSpec<'histogram', Label> {
  return { kind: 'histogram', name, help, labels, buckets };
}

/** For what lasts from a millisecond to a minute: passes, waits, requests (seconds). */
const SHORT = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];
/** For what lasts from a second to half an hour: booting a lab (seconds). */
const LONG = [1, 2.5, 5, 10, 20, 30, 60, 90, 120, 180, 300, 600, 1200, 1800];
/** For what is quick unless somebody is away, and then takes hours: the delivery of an event (seconds). */
const WIDE = [0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200];

export const catalogue = {
  // What the domain promises.
  sessions: gauge('lablet_sessions', 'LabletSessions by phase, on every replica the same.', ['phase']),
  sessionsOverdue: gauge('lablet_sessions_overdue', 'LabletSessions that should have left their phase by now, by phase.', ['phase']),
  sessionsWaiting: gauge('lablet_sessions_waiting', 'LabletSessions without a worker, by what most workers lack (reason of the condition Scheduled).', ['reason']),
  sessionStarts: counter('lablet_session_starts_total', 'Booked slots by how they began: on_time (Ready by the start), late, missed (never Ready), short_notice (booked too late to be promised, and not Ready by the start).', ['outcome']),
  lostTime: counter('lablet_candidate_lost_seconds_total', 'Time of slots that candidates could not use, in seconds: late_start, no_start, broken_off (worker or lab lost, drain over its limit).', ['cause']),
  sessionEnds: counter('lablet_session_ends_total', 'LabletSessions that ended, by ending.', ['ending']),
  gradingTurnaround: histogram('lablet_grading_turnaround_seconds', 'Time from the end of the work to the result.', LONG),
  transitions: counter('lablet_transition_total', 'Phase changes of LabletSessions that were written.', ['from', 'to', 'reason']),
  scheduleDuration: histogram('lablet_schedule_duration_seconds', 'Time to decide on a placement for one batch of pending sessions.', SHORT),
  instantiateDuration: histogram('lablet_instantiate_duration_seconds', 'Time from Instantiating to Ready.', LONG, ['path']),
  eventsIn: counter('lablet_events_in_total', 'CloudEvents received, by type and what became of them.', ['type', 'result']),
  ingestDuration: histogram('lablet_ingest_duration_seconds', 'Time from a received CloudEvent to its verdict, the status write included.', SHORT),
  eventsOut: counter('lablet_events_out_total', 'CloudEvents sent, by type, result of the attempt (accepted, retry, parked, dead_letter, dropped; secret_gone, pushed_out of a full outbox) and sink, or all.', ['type', 'result', 'sink']),
  archiveRecords: counter('lablet_archive_records_total', 'Records of the archive by what became of them: stored, retry (one for each failed try), dropped; rejected and rejected_lost for events that were refused.', ['result']),
  eventDelivery: histogram('lablet_event_delivery_seconds', 'Time from the write that recorded a CloudEvent to the answer of the sink that took it.', WIDE, ['sink']),
  outboxOldest: gauge('lablet_outbox_oldest_seconds', 'Age of the oldest CloudEvent that no sink has taken yet; 0 if there is none.'),
  outboxesParked: gauge('lablet_outboxes_parked', 'Objects whose events wait, since a sink refuses the first of them.'),
  archiveOldest: gauge('lablet_archive_oldest_seconds', 'Age of the oldest record that is not in the archive yet; 0 if there is none.'),
  outboxDepth: gauge('lablet_outbox_depth', 'CloudEvents that were recorded in a status and not yet accepted by the sink.'),
  workers: gauge('lablet_worker', 'Workers by phase.', ['phase']),
  workersUnusable: gauge('lablet_workers_unusable', 'Workers that take no sessions now, by reason of the condition Schedulable.', ['reason']),
  portsFree: gauge('lablet_ports_free', 'Ports that are still free on a worker.', ['worker']),
  orphanedLabs: gauge('lablet_orphaned_labs', 'Labs of ours on a worker that no session uses and that could not be removed yet, with or without a Lab object.', ['worker']),
  orphanInstances: gauge('lablet_orphan_instances', 'Instances that carry our tags and that no Worker claims.', ['region']),
  sweptLabs: counter('lablet_swept_labs_total', 'Labs of ours that no Lab object named and that the orphan sweep removed from their host.'),
  leftBehind: counter('lablet_left_behind_total', 'What a clean-up had to leave outside when its time was over: lab, lds_session.', ['what']),
  scalingDecisions: counter('lablet_scaling_decisions_total', 'Decisions about the number of workers, each counted when it is new, with its reason.', ['decision', 'reason']),

  // The program itself.
  buildInfo: gauge('lablet_build_info', '1, labelled with the version of the controller and of Node.', ['version', 'node']),
  certificateExpiry: gauge('lablet_certificate_expiry_timestamp_seconds', 'When the certificate of the ingest endpoint ends, in seconds since 1970.', ['certificate']),
  traceSpans: counter('lablet_trace_spans_total', 'Spans by what became of them: delivered to the collector, lost.', ['result']),

  // Controllers.
  reconciles: counter('lablet_reconcile_total', 'Passes by controller and how they ended.', ['controller', 'result']),
  reconcileDuration: histogram('lablet_reconcile_duration_seconds', 'Duration of one pass.', SHORT, ['controller']),
  activePasses: gauge('lablet_reconcile_active', 'Passes that are running now.', ['controller']),
  queueDepth: gauge('lablet_workqueue_depth', 'Keys in the work queue by state: ready, delayed, running.', ['controller', 'state']),
  queueWait: histogram('lablet_workqueue_wait_seconds', 'Time from a key being ready to its pass, by priority.', SHORT, ['controller', 'priority']),
  queueOldest: gauge('lablet_workqueue_oldest_seconds', 'Age of the key that has been ready for longest.', ['controller']),

  // Leadership, Events, status writes.
  leader: gauge('lablet_leader', '1 while this replica holds the lease, else 0.'),
  leaderTransitions: counter('lablet_leader_transitions_total', 'How often this replica gained or lost the lease.', ['change']),
  leaseRenewals: counter('lablet_lease_renewals_total', 'Attempts to acquire or renew the lease, by result.', ['result']),
  kubeEvents: counter('lablet_kubernetes_events_total', 'Kubernetes Events by result: created, aggregated, limited, dropped, failed.', ['result']),
  statusWrites: counter('lablet_status_writes_total', 'Status writes by resource and result: written, unchanged, conflict.', ['resource', 'result']),

  // CML, LDS, GradingEngine.
  externalCalls: counter('lablet_external_calls_total', 'Calls to CML, LDS and the GradingEngine by HTTP status, or kind of failure.', ['system', 'call', 'status']),
  externalCallDuration: histogram('lablet_external_call_duration_seconds', 'Duration of calls to CML, LDS and the GradingEngine.', SHORT, ['system']),

  // Kubernetes client.
  kubeRequests: counter('lablet_kube_requests_total', 'Requests to the API server, by HTTP status or transport, timeout.', ['verb', 'resource', 'code']),
  kubeRequestDuration: histogram('lablet_kube_request_duration_seconds', 'Duration of requests to the API server.', SHORT, ['verb']),
  kubeRetries: counter('lablet_kube_retries_total', 'Requests that were tried again.', ['verb', 'resource']),
  watchEnds: counter('lablet_watch_ended_total', 'Watches that ended, by cause: closed, idle, error, stopped.', ['resource', 'reason']),
  relists: counter('lablet_informer_relists_total', 'Whole lists that an informer took over, the first one included.', ['resource']),
  missed: counter('lablet_informer_missed_total', 'Changes found by the audit that the watch had not delivered: must stay 0.', ['resource']),
  handlerErrors: counter('lablet_informer_handler_errors_total', 'Change handlers that threw.', ['resource']),
} as const;
