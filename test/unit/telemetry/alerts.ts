/** For each alert a world in which it must ring, as series of Prometheus, a value a minute; promtool's notation: `0x20 1x20` is 0 for 21 min, then 1. */

export interface AlertCase {
  readonly alert: string;
  /** Series and values. */
  readonly given: Readonly<Record<string, string>>;
  /** When it must ring, in minutes. */
  readonly at: number;
  /** What it says of where. */
  readonly labels?: Readonly<Record<string, string>>;
}

const LEADER = { 'lablet_build_info{instance="a"}': '1x90', 'lablet_leader{instance="a"}': '1x90' };

export const ALERT_CASES: readonly AlertCase[] = [
  { alert: 'LabletControllerDown', given: { up: '0x10' }, at: 5 },
  { alert: 'LabletNoLeader', given: { ...LEADER, 'lablet_leader{instance="a"}': '0x10', 'lablet_leader{instance="b"}': '0x10' }, at: 5 },
  { alert: 'LabletLeaderChangesOften', given: { 'lablet_leader_transitions_total{instance="a",change="gained"}': '1+1x20' }, at: 20 },
  { alert: 'LabletPassesFail', given: { 'lablet_reconcile_total{controller="session",result="error"}': '0+1x30' }, at: 25, labels: { controller: 'session' } },
  { alert: 'LabletQueueStalls', given: { 'lablet_workqueue_oldest_seconds{controller="worker"}': '0+30x20' }, at: 15, labels: { controller: 'worker' } },
  { alert: 'LabletChangesMissed', given: { 'lablet_informer_missed_total{resource="labs.lablet.dev"}': '0x20 1x20' }, at: 30, labels: { resource: 'labs.lablet.dev' } },
  { alert: 'LabletApiServerFails', given: { 'lablet_kube_requests_total{code="200"}': '0+60x30', 'lablet_kube_requests_total{code="503"}': '0+10x30' }, at: 20 },
  { alert: 'LabletCertificateExpires', given: { 'lablet_certificate_expiry_timestamp_seconds{certificate="ingest"}': '604800x10' }, at: 5, labels: { certificate: 'ingest' } },

  { alert: 'LabletSessionsOverdue', given: { 'lablet_sessions_overdue{phase="Grading",instance="a"}': '2x20', 'lablet_sessions_overdue{phase="Running",instance="a"}': '0x20' }, at: 10, labels: { phase: 'Grading' } },
  { alert: 'LabletSessionsNotCleared', given: { 'lablet_sessions_overdue{phase="Stopped",instance="a"}': '1x40', 'lablet_sessions_overdue{phase="Running",instance="a"}': '0x40' }, at: 30, labels: { phase: 'Stopped' } },
  { alert: 'LabletStartsLate', given: { 'lablet_session_starts_total{outcome="late"}': '0x20 1x20', 'lablet_session_starts_total{outcome="missed"}': '0x40' }, at: 25, labels: { outcome: 'late' } },
  { alert: 'LabletSessionsBrokenOff', given: { 'lablet_candidate_lost_seconds_total{cause="broken_off"}': '0x20 1800x20' }, at: 25 },
  { alert: 'LabletInstantiateSlow', given: { 'lablet_instantiate_duration_seconds_bucket{le="180"}': '0+1x60', 'lablet_instantiate_duration_seconds_bucket{le="300"}': '0+2x60', 'lablet_instantiate_duration_seconds_bucket{le="+Inf"}': '0+2x60' }, at: 50 },
  // A counter that was never seen before its first increase has no rate.
  { alert: 'LabletCapacityRefused', given: { 'lablet_transition_total{reason="NoCapacity",from="Pending",to="Terminated"}': '_x20 1x20' }, at: 25, labels: { reason: 'NoCapacity' } },
  { alert: 'LabletSessionsWait', given: { 'lablet_sessions_waiting{reason="InsufficientResources"}': '3x30', 'lablet_sessions_waiting{reason="WorkerNotReady"}': '3x30' }, at: 20, labels: { reason: 'InsufficientResources' } },
  { alert: 'LabletGradingSlow', given: { 'lablet_grading_turnaround_seconds_bucket{le="600"}': '0+1x60', 'lablet_grading_turnaround_seconds_bucket{le="1200"}': '0+2x60', 'lablet_grading_turnaround_seconds_bucket{le="+Inf"}': '0+2x60' }, at: 50 },
  { alert: 'LabletGradingFails', given: { 'lablet_transition_total{reason="GradingTimeout",from="Grading",to="Stopping"}': '_x20 1x20' }, at: 25, labels: { reason: 'GradingTimeout' } },

  { alert: 'LabletWorkerUnreachable', given: { 'lablet_workers_unusable{reason="Unreachable"}': '1x10' }, at: 5, labels: { reason: 'Unreachable' } },
  { alert: 'LabletWorkerUnusable', given: { 'lablet_workers_unusable{reason="LoginRefused"}': '1x30', 'lablet_workers_unusable{reason="Draining"}': '1x30' }, at: 20, labels: { reason: 'LoginRefused' } },
  { alert: 'LabletWorkerFailed', given: { 'lablet_worker{phase="Failed"}': '1x20', 'lablet_worker{phase="Running"}': '4x20' }, at: 10 },
  { alert: 'LabletOrphanedLabs', given: { 'lablet_orphaned_labs{worker="cml-1"}': '2x60', 'lablet_orphaned_labs{worker="cml-2"}': '0x60' }, at: 40, labels: { worker: 'cml-1' } },
  { alert: 'LabletOrphanInstances', given: { 'lablet_orphan_instances{region="eu-west-1"}': '1x60' }, at: 40, labels: { region: 'eu-west-1' } },
  { alert: 'LabletLeftBehind', given: { 'lablet_left_behind_total{what="lds_session"}': '_x20 1x20' }, at: 25, labels: { what: 'lds_session' } },

  { alert: 'LabletEventsDelayed', given: { 'lablet_outbox_oldest_seconds{instance="a"}': '0+60x20' }, at: 15 },
  { alert: 'LabletEventsParked', given: { 'lablet_outboxes_parked{instance="a"}': '1x10' }, at: 5 },
  { alert: 'LabletEventsLost', given: { 'lablet_events_out_total{type="ccm.lablet.session.ready",result="dropped",sink="http://sink/"}': '_x20 1x20' }, at: 25, labels: { result: 'dropped', sink: 'http://sink/' } },
  { alert: 'LabletArchiveLags', given: { 'lablet_archive_oldest_seconds{instance="a"}': '0+60x30' }, at: 20 },
  { alert: 'LabletArchiveGap', given: { 'lablet_archive_records_total{result="dropped"}': '_x20 2x20' }, at: 25, labels: { result: 'dropped' } },
  { alert: 'LabletIngestFails', given: { 'lablet_events_in_total{result="applied",type="lds.session.started"}': '0+60x30', 'lablet_events_in_total{result="failed",type="lds.session.started"}': '0+10x30' }, at: 20 },
  { alert: 'LabletIngestSlow', given: { 'lablet_ingest_duration_seconds_bucket{le="0.5"}': '0+1x60', 'lablet_ingest_duration_seconds_bucket{le="1"}': '0+2x60', 'lablet_ingest_duration_seconds_bucket{le="+Inf"}': '0+2x60' }, at: 30 },
  { alert: 'LabletEventsRefused', given: { 'lablet_events_in_total{result="invalid",type="other"}': '0+1x30' }, at: 20, labels: { result: 'invalid' } },
  { alert: 'LabletExternalSystemFails', given: { 'lablet_external_calls_total{system="lds",status="200"}': '0+60x30', 'lablet_external_calls_total{system="lds",status="503"}': '0+60x30', 'lablet_external_calls_total{system="cml",status="200"}': '0+60x30' }, at: 20, labels: { system: 'lds' } },
];

/** A quiet day: things happen, nothing rings. */
export const QUIET: Readonly<Record<string, string>> = {
  ...LEADER,
  'lablet_leader{instance="b"}': '0x90',
  'lablet_leader_transitions_total{instance="a",change="gained"}': '1x90',
  'lablet_reconcile_total{controller="session",result="done"}': '0+100x90',
  'lablet_reconcile_total{controller="session",result="error"}': '0x90',
  'lablet_workqueue_oldest_seconds{controller="session"}': '0x90',
  'lablet_informer_missed_total{resource="labs.lablet.dev"}': '0x90',
  'lablet_kube_requests_total{code="200"}': '0+100x90',
  'lablet_kube_requests_total{code="409"}': '0+20x90',
  'lablet_certificate_expiry_timestamp_seconds{certificate="ingest"}': '31536000x90',
  'lablet_sessions_overdue{phase="Running"}': '0x90',
  'lablet_sessions_waiting{reason="WorkerNotReady"}': '2x90',
  'lablet_session_starts_total{outcome="on_time"}': '0+5x90',
  'lablet_session_starts_total{outcome="late"}': '0x90',
  'lablet_candidate_lost_seconds_total{cause="broken_off"}': '0x90',
  'lablet_session_ends_total{ending="Normal"}': '0+5x90',
  'lablet_instantiate_duration_seconds_bucket{le="60"}': '0+5x90',
  'lablet_instantiate_duration_seconds_bucket{le="180"}': '0+5x90',
  'lablet_instantiate_duration_seconds_bucket{le="+Inf"}': '0+5x90',
  'lablet_instantiate_duration_seconds_count': '0+5x90',
  'lablet_transition_total{reason="Graded",from="Grading",to="Stopping"}': '0+5x90',
  'lablet_workers_unusable{reason="Draining"}': '1x90',
  'lablet_worker{phase="Failed"}': '0x90',
  'lablet_orphaned_labs{worker="cml-1"}': '0x90',
  'lablet_outbox_oldest_seconds{instance="a"}': '2x90',
  'lablet_outboxes_parked{instance="a"}': '0x90',
  'lablet_events_out_total{type="ccm.lablet.session.ready",result="accepted",sink="http://sink/"}': '0+5x90',
  'lablet_archive_oldest_seconds{instance="a"}': '1x90',
  'lablet_events_in_total{result="applied",type="lds.session.started"}': '0+5x90',
  'lablet_external_calls_total{system="cml",status="200"}': '0+60x90',
  'lablet_external_calls_total{system="cml",status="404"}': '0+5x90',
};
