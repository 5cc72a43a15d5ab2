/**
 * What the two dashboards show. Gauges that every replica tells alike are read with max, counters are summed over
 * replicas; `lablet:` are the recording rules of the chart.
 */

/** One diagram or number. */
export interface Panel {
  readonly title: string;
  readonly description?: string;
  /** Expression and legend of each line. */
  readonly queries: readonly (readonly [expr: string, legend: string])[];
  /** @default 'timeseries' */
  readonly show?: 'timeseries' | 'stat';
  /** As Grafana calls it. @default 'short' */
  readonly unit?: 'short' | 's' | 'percentunit' | 'bytes' | 'm' | 'ops';
  /** Of 24 columns. @default 8 */
  readonly width?: number;
  readonly height?: number;
  readonly stack?: boolean;
  /** Red from here on, or below. */
  readonly warnAbove?: number;
  readonly warnBelow?: number;
  readonly max?: number;
}

export interface Dashboard {
  /** Of the file, and its uid in Grafana. */
  readonly name: string;
  readonly title: string;
  readonly description: string;
  readonly rows: readonly { readonly title: string; readonly panels: readonly Panel[] }[];
}

type More = Omit<Panel, 'title' | 'queries'>;
const stat = (title: string, expr: string, more: More = {}): Panel => ({ title, show: 'stat', width: 3, queries: [[expr, '']], ...more });
const graph = (title: string, queries: Panel['queries'], more: More = {}): Panel => ({ title, queries, ...more });
/** A quantile over the last five minutes; `by`: further labels. */
const quantile = (q: number, metric: string, by = '', selector = ''): string => `histogram_quantile(${q}, sum by (le${by === '' ? '' : `, ${by}`}) (rate(${metric}_bucket${selector}[5m])))`;
const rate = (metric: string, by: string, selector = ''): string => `sum by (${by}) (rate(${metric}${selector}[5m]))`;
/** Metrics that every program has, of our replicas alone. */
const ours = (expr: string): string => `${expr} * on (job, instance) group_left () lablet_build_info`;

export const SESSIONS_DASHBOARD: Dashboard = {
  name: 'lablet-sessions', title: 'Lablet / Fleet and sessions', description: 'Exam day at a glance: who is where, who waits, what candidates get, and what the hosts do.',
  rows: [
    { title: 'Now', panels: [
      stat('Sessions with a candidate', 'max(lablet_sessions{phase="Running"})'),
      stat('Ready to start', 'max(lablet_sessions{phase="Ready"})'),
      stat('Being made ready', 'max(lablet_sessions{phase="Instantiating"})'),
      stat('Waiting for a worker', 'sum(max by (reason) (lablet_sessions_waiting)) or vector(0)', { warnAbove: 1 }),
      stat('Overdue', 'sum(max by (phase) (lablet_sessions_overdue))', { warnAbove: 1, description: 'Sessions that should have left their phase by now: docs/runbooks/LabletSessionsOverdue.md.' }),
      stat('On-time starts today', 'lablet:session_starts_on_time:ratio_increase1d', { unit: 'percentunit', warnBelow: 0.99 }),
      stat('Minutes lost today', 'sum(lablet:candidate_lost_minutes:increase1d)', { unit: 'm', warnAbove: 1 }),
      stat('Workers in service', 'max(lablet_worker{phase="Running"})'),
    ] },
    { title: 'Sessions', panels: [
      graph('Sessions by phase', [['max by (phase) (lablet_sessions{phase!~"Archived|Terminated"})', '{{phase}}']], { stack: true, width: 12 }),
      graph('Transitions a second', [[rate('lablet_transition_total', 'to'), '{{to}}']], { unit: 'ops', width: 12 }),
      graph('Waiting for a worker', [['max by (reason) (lablet_sessions_waiting)', '{{reason}}']], { stack: true }),
      graph('Overdue', [['max by (phase) (lablet_sessions_overdue)', '{{phase}}']], { stack: true }),
      graph('Ends in an hour', [['sum by (ending) (increase(lablet_session_ends_total[1h]))', '{{ending}}']], { stack: true }),
    ] },
    { title: 'Service levels', panels: [
      graph('On-time starts', [['lablet:session_starts_on_time:ratio_increase1h', 'an hour'], ['lablet:session_starts_on_time:ratio_increase1d', 'a day'], ['lablet:session_starts_on_time:ratio_increase30d', '30 days']], { unit: 'percentunit', max: 1 }),
      graph('Completed sessions', [['lablet:sessions_completed:ratio_increase1d', 'a day'], ['lablet:sessions_completed:ratio_increase30d', '30 days']], { unit: 'percentunit', max: 1 }),
      graph('Lost minutes in an hour', [['lablet:candidate_lost_minutes:increase1h', '{{cause}}']], { unit: 'm', stack: true }),
      graph('From Instantiating to Ready', [[quantile(0.5, 'lablet_instantiate_duration_seconds', 'path'), '{{path}}, median'], [quantile(0.95, 'lablet_instantiate_duration_seconds', 'path'), '{{path}}, 95 %']], { unit: 's' }),
      graph('From the end of the work to the result', [[quantile(0.5, 'lablet_grading_turnaround_seconds'), 'median'], [quantile(0.95, 'lablet_grading_turnaround_seconds'), '95 %']], { unit: 's' }),
      graph('Delivery of events', [['lablet:event_delivery_seconds:p99_rate5m', '{{sink}}, 99 %']], { unit: 's' }),
    ] },
    { title: 'Workers', panels: [
      graph('Workers by phase', [['max by (phase) (lablet_worker)', '{{phase}}']], { stack: true }),
      graph('Workers that take no sessions', [['max by (reason) (lablet_workers_unusable)', '{{reason}}']], { stack: true }),
      graph('Scaling decisions in an hour', [['sum by (decision, reason) (increase(lablet_scaling_decisions_total[1h])) > 0', '{{decision}}: {{reason}}']]),
      graph('Fewest free ports', [['bottomk(5, max by (worker) (lablet_ports_free))', '{{worker}}']]),
      graph('Orphans', [['max by (worker) (lablet_orphaned_labs) > 0', 'labs on {{worker}}'], ['max by (region) (lablet_orphan_instances) > 0', 'instances in {{region}}']]),
      graph('Left behind and swept in an hour', [['sum by (what) (increase(lablet_left_behind_total[1h]))', 'left behind: {{what}}'], ['sum(increase(lablet_swept_labs_total[1h]))', 'swept labs']]),
    ] },
    { title: 'CML, LDS, GradingEngine', panels: [
      graph('Calls a second', [[rate('lablet_external_calls_total', 'system'), '{{system}}']], { unit: 'ops' }),
      graph('Failed calls a second', [[rate('lablet_external_calls_total', 'system, status', '{status!~"2..|3..|404"}'), '{{system}} {{status}}']], { unit: 'ops' }),
      graph('Duration of calls, 95 %', [[quantile(0.95, 'lablet_external_call_duration_seconds', 'system'), '{{system}}']], { unit: 's' }),
    ] },
  ],
};

export const CONTROLLER_DASHBOARD: Dashboard = {
  name: 'lablet-controller', title: 'Lablet / Controller and events', description: 'Inside the controller: replicas, passes, the API server, events out and in, archive.',
  rows: [
    { title: 'Replicas', panels: [
      stat('Replicas', 'count(lablet_build_info)', { warnBelow: 2 }),
      stat('Leader', 'max(lablet_leader)', { warnBelow: 1 }),
      stat('Oldest event', 'max(lablet_outbox_oldest_seconds)', { unit: 's', warnAbove: 300 }),
      stat('Objects held up', 'max(lablet_outboxes_parked)', { warnAbove: 1 }),
      stat('Archive behind', 'max(lablet_archive_oldest_seconds)', { unit: 's', warnAbove: 600 }),
      stat('Changes missed', 'sum(lablet_informer_missed_total)', { warnAbove: 1 }),
      stat('Certificate ends in', 'min(lablet_certificate_expiry_timestamp_seconds) - time()', { unit: 's', warnBelow: 14 * 86_400, width: 6 }),
      graph('Who leads', [['lablet_leader', '{{instance}}']], { max: 1 }),
      graph('Resident memory', [[ours('process_resident_memory_bytes'), '{{instance}}']], { unit: 'bytes' }),
      graph('CPU', [[ours('rate(process_cpu_seconds_total[5m])'), '{{instance}}']], { unit: 'percentunit' }),
      graph('Heap in use', [[ours('nodejs_heap_size_used_bytes'), '{{instance}}']], { unit: 'bytes' }),
      graph('Event loop delay, 99 %', [[ours('nodejs_eventloop_lag_p99_seconds'), '{{instance}}']], { unit: 's' }),
      graph('Lease', [[rate('lablet_lease_renewals_total', 'result'), '{{result}}']], { unit: 'ops' }),
    ] },
    { title: 'Controllers', panels: [
      graph('Passes a second', [[rate('lablet_reconcile_total', 'controller'), '{{controller}}']], { unit: 'ops' }),
      graph('Passes that did not end well', [[rate('lablet_reconcile_total', 'controller, result', '{result!~"done|after"}'), '{{controller}} {{result}}']], { unit: 'ops' }),
      graph('Duration of passes, 95 %', [[quantile(0.95, 'lablet_reconcile_duration_seconds', 'controller'), '{{controller}}']], { unit: 's' }),
      graph('Keys in work queues', [['sum by (controller, state) (lablet_workqueue_depth{state!="delayed"})', '{{controller}} {{state}}']]),
      graph('Wait of a ready key for its pass, 95 %', [[quantile(0.95, 'lablet_workqueue_wait_seconds', 'controller, priority'), '{{controller}}, priority {{priority}}']], { unit: 's' }),
      graph('Oldest ready key', [['max by (controller) (lablet_workqueue_oldest_seconds)', '{{controller}}']], { unit: 's' }),
      graph('Passes that run', [['sum by (controller) (lablet_reconcile_active)', '{{controller}}']]),
      graph('Decision of the scheduler, 95 %', [['lablet:schedule_seconds:p95_rate5m', 'one batch']], { unit: 's' }),
    ] },
    { title: 'API server', panels: [
      graph('Requests a second', [[rate('lablet_kube_requests_total', 'verb'), '{{verb}}']], { unit: 'ops' }),
      graph('Failed requests a second', [[rate('lablet_kube_requests_total', 'code', '{code!~"2.."}'), '{{code}}'], ['sum(rate(lablet_kube_retries_total[5m]))', 'tried again']], { unit: 'ops' }),
      graph('Duration of requests, 95 %', [[quantile(0.95, 'lablet_kube_request_duration_seconds', 'verb', '{verb!="watch"}'), '{{verb}}']], { unit: 's' }),
      graph('Status writes a second', [[rate('lablet_status_writes_total', 'result'), '{{result}}']], { unit: 'ops' }),
      graph('Watches that ended, lists, handlers that threw', [[rate('lablet_watch_ended_total', 'reason'), 'ended: {{reason}}'], ['sum(rate(lablet_informer_relists_total[5m]))', 'lists'], ['sum(rate(lablet_informer_handler_errors_total[5m]))', 'threw']], { unit: 'ops' }),
      graph('Kubernetes Events a second', [[rate('lablet_kubernetes_events_total', 'result'), '{{result}}']], { unit: 'ops' }),
    ] },
    { title: 'Events out', panels: [
      graph('Events that wait', [['max(lablet_outbox_depth)', 'recorded, not accepted'], ['max(lablet_outboxes_parked)', 'objects held up']]),
      graph('Results a second', [[rate('lablet_events_out_total', 'sink, result'), '{{sink}} {{result}}']], { unit: 'ops' }),
      graph('From the write to the sink’s answer', [[quantile(0.5, 'lablet_event_delivery_seconds', 'sink'), '{{sink}}, median'], [quantile(0.99, 'lablet_event_delivery_seconds', 'sink'), '{{sink}}, 99 %']], { unit: 's' }),
    ] },
    { title: 'Events in', panels: [
      graph('Received a second, by what became of them', [[rate('lablet_events_in_total', 'result'), '{{result}}']], { unit: 'ops' }),
      graph('Received a second, by type', [[rate('lablet_events_in_total', 'type'), '{{type}}']], { unit: 'ops' }),
      graph('To the verdict', [[quantile(0.5, 'lablet_ingest_duration_seconds'), 'median'], ['lablet:ingest_seconds:p95_rate5m', '95 %']], { unit: 's' }),
    ] },
    { title: 'Archive and traces', panels: [
      graph('Records a second', [[rate('lablet_archive_records_total', 'result'), '{{result}}']], { unit: 'ops' }),
      graph('Oldest record that is not stored', [['max(lablet_archive_oldest_seconds)', 'age']], { unit: 's' }),
      graph('Spans a second', [[rate('lablet_trace_spans_total', 'result'), '{{result}}']], { unit: 'ops' }),
    ] },
  ],
};
