import { describe, expect, test } from '@jest/globals';
import { z } from 'zod';
import { dataSchema, EVENT_TYPES } from '../../../src/api/event-schemas.ts';
import { CONSUMED_TYPES, EMITTED_TYPES, readConsumedData } from '../../../src/api/events.ts';
import type { EventType } from '../../../src/api/event-schemas.ts';
import type { ConsumedType, EmittedType } from '../../../src/api/events.ts';

/** The contract, §10.1: what is always there, and what is there where it is known. */
const CONTRACT: Record<EmittedType, [mandatory: string, extras: string]> = {
  'ccm.lablet.definition.created': ['definition_id name version', 'form_qualified_name'],
  'ccm.lablet.definition.version.created': ['definition_id old_version new_version', 'lab_yaml_hash'],
  'ccm.lablet.session.pending': ['session_id definition_id owner_id', 'definition_version reservation_id timeslot_start timeslot_end created_at'],
  'ccm.lablet.session.scheduled': ['session_id worker_id allocated_ports', ''],
  'ccm.lablet.session.instantiating': ['session_id worker_id', 'lab_yaml_hash'],
  'ccm.lablet.session.ready': ['session_id login_url', 'allocated_ports pod_assigned'],
  'ccm.lablet.session.running': ['session_id user_session_id', 'started_at cml_lab_id'],
  'ccm.lablet.session.collecting': ['session_id grading_session_id', 'triggered_by collection_reason'],
  'ccm.lablet.session.grading': ['session_id grading_session_id', ''],
  'ccm.lablet.session.graded': ['session_id score_report_id score passed', 'max_score'],
  'ccm.lablet.session.stopping': ['session_id', 'reason'],
  'ccm.lablet.session.stopped': ['session_id', 'duration_seconds worker_seconds template_name cost_estimate'],
  'ccm.lablet.session.terminated': ['session_id final_state', 'reason score_report_id'],
  'ccm.lablet.user_session.created': ['user_session_id lablet_session_id', ''],
  'ccm.lablet.grading_session.created': ['grading_session_id lablet_session_id', ''],
  'ccm.lablet.score_report.created': ['score_report_id lablet_session_id score passed', ''],
  'ccm.worker.scaling.up': ['worker_id template_name', 'reason'],
  'ccm.worker.scaling.down': ['worker_id reason', ''],
  'ccm.worker.draining': ['worker_id', 'reason running_sessions_count'],
};

const words = (text: string): string[] => text.split(' ').filter(Boolean).sort();
const keysOf = (type: EventType): string[] => Object.keys(dataSchema(type)['properties'] as object);
const requiredOf = (type: EventType): string[] => [...((dataSchema(type)['required'] ?? []) as string[])].sort();
const reader = (type: EventType): z.ZodType => z.fromJSONSchema(dataSchema(type));

describe('what we emit', () => {
  test.each(Object.entries(CONTRACT) as [EmittedType, [string, string]][])('%s has exactly the keys of the contract', (type, [mandatory, extras]) => {
    expect(requiredOf(type)).toEqual(words(mandatory));
    expect(keysOf(type).filter((key) => !requiredOf(type).includes(key)).sort()).toEqual(words(extras));
  });

  test('is of the types of the contract and of no others', () => {
    expect([...EMITTED_TYPES].sort()).toEqual(Object.keys(CONTRACT).sort());
  });
});

describe('what we consume', () => {
  /** What senders are known to write, and what they must not. */
  const SHAPES: Record<ConsumedType, [taken: object[], refused: object[]]> = {
    'lds.session.started': [
      [{ session_id: 'cand-0042', lds_session_id: 'x' }, { lds_session_id: 'x', user_id: null, started_at: '2026-11-23T10:00:00+01:00', site: 'emea' }],
      [{ lds_session_id: 7 }, { lds_session_id: 'x'.repeat(257) }],
    ],
    'lds.session.ended': [[{ lds_session_id: 'x', reason: 'finished', ended_by: 'proctor-7' }], [{ reason: ['finished'] }]],
    'grading.session.completed': [
      [
        { grading_session_id: 'gs-1', score: 71, max_score: 100, cut_score: 60, passed: true, sections: [{ name: 'OSPF', score: 40 }], regrade: null },
        { lablet_session_id: 'a', score: { total: 71, max: 100, breakdown: [{ criterion: 'OSPF', points: 40, max_points: 50 }] } },
      ],
      [{ grading_session_id: 'gs-1' }, { score: '71' }, { score: { max: 100 } }, { score: 1, sections: [{ name: 'OSPF' }] }],
    ],
    'grading.session.failed': [[{ grading_session_id: 'gs-1', message: 'no rules' }, {}], [{ error: { code: 7 } }]],
  };

  test.each(CONSUMED_TYPES)('%s is taken or refused by the ingest just as its schema tells the senders', (type) => {
    const [taken, refused] = SHAPES[type];
    for (const data of taken) {
      expect(reader(type).safeParse(data)).toMatchObject({ success: true });
      expect(() => readConsumedData(type, data)).not.toThrow();
    }
    for (const data of refused) {
      expect(reader(type).safeParse(data)).toMatchObject({ success: false });
      expect(() => readConsumedData(type, data)).toThrow();
    }
  });
});

describe('every schema', () => {
  test.each(EVENT_TYPES)('of %s says what each key means, and leaves room for more', (type) => {
    for (const property of Object.values(dataSchema(type)['properties'] as Record<string, object>)) expect(property).toMatchObject({ description: expect.stringMatching(/[.?]$/) });
    expect(dataSchema(type)).not.toHaveProperty('additionalProperties');
  });

  test('tells nothing that holds for JavaScript or for Kubernetes only', () => {
    const text = JSON.stringify(EVENT_TYPES.map(dataSchema));
    expect(text).not.toContain('"x-');
    expect(text).not.toContain(String(Number.MAX_SAFE_INTEGER));
  });
});
