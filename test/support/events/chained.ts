/** Objects that record for an archive, without a cluster. */
import { LABLET_SESSIONS } from '../../../src/api/kinds.ts';
import { recordOf } from '../../../src/core/chain.ts';
import { recordEvent, recordReceived } from '../../../src/core/outbox.ts';
import type { ArchiveRecord, Receipt } from '../../../src/api/archive.ts';
import type { OutboxEntry } from '../../../src/api/outbox.ts';
import type { EmitContext, OutboxDraft } from '../../../src/core/outbox.ts';

const NOW = new Date('2026-11-23T10:00:00Z');

/** What a session of this uid records with. */
export function chainedContext(uid: string, name = 'cand-0042', now = NOW): EmitContext {
  return { uid, now, archive: { base: '/ccm/lablet-controller', resource: LABLET_SESSIONS, metadata: { name, namespace: 'exams', uid } } };
}

export const receipt = (fields: Partial<Receipt> = {}): Receipt => ({ id: 'evt-1', source: '/lds', type: 'lds.session.started', sha256: 'ab'.repeat(32), data: { session_id: 'x' }, ...fields });

/** Records one emitted event. */
export function emitted(draft: OutboxDraft, uid: string, name?: string): OutboxEntry[] {
  return recordEvent(draft, 'ccm.lablet.session.stopping', { session_id: uid, reason: 'Testing' }, { ...chainedContext(uid, name), causationId: 'evt-1' });
}

/** Records one received event. */
export function received(draft: OutboxDraft, uid: string, name?: string): OutboxEntry[] {
  return recordReceived(draft, receipt(), 'Applied', chainedContext(uid, name));
}

/** What the archive gets of an outbox. */
export function recordsOf(draft: OutboxDraft, uid: string, name = 'cand-0042'): ArchiveRecord[] {
  return (draft.outbox ?? []).flatMap((entry) => recordOf(entry, { resource: LABLET_SESSIONS, metadata: { name, namespace: 'exams', uid } }) ?? []);
}
