import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { EMITTED_TYPES } from '../../../src/api/events.ts';
import { LABLET_SESSIONS } from '../../../src/api/kinds.ts';
import { recordEvent, type OutboxDraft } from '../../../src/core/outbox.ts';
import { encodeEvent } from '../../../src/events/codec.ts';
import { envelope } from '../../../src/events/envelope.ts';
import { isForSinks } from '../../../src/api/outbox.ts';
import type { CloudEvent } from '../../../src/events/cloudevent.ts';

const uid = '7d1f0c2a-3e9b-4f5d-8a6c-000000000001';
/** All that every consumer and every intermediary must take, headers included. */
const WIRE_MAX_BYTES = 64 * 1024;

/** Anything that a person or another system may have put in a field: any script, quotes, percent signs, far too much. */
const words = fc.oneof(fc.string({ unit: 'grapheme', maxLength: 600 }), fc.string({ unit: 'binary', maxLength: 300 }).filter((value) => value.isWellFormed()), fc.constantFrom('Ошибка "50%"', '🜚'.repeat(700), 'x'.repeat(3_000)));
const ports = fc.dictionary(fc.stringMatching(/^PORT_[A-Z0-9_]{1,58}$/), fc.integer({ min: 1, max: 65_535 }), { maxKeys: 80 });
const data = fc.record({ session_id: words, worker_id: words, owner_id: words, allocated_ports: ports, login_url: fc.constant(null) });
/** Of an event that somebody else named: at most 512 characters pass the ingest. */
const causation = fc.option(fc.oneof(fc.uuid(), fc.string({ unit: 'grapheme', minLength: 1, maxLength: 512 }).filter((id) => id.isWellFormed() && id.length <= 512)), { nil: undefined });
const launchUrl = fc.oneof(fc.constant(null), fc.webUrl(), fc.integer({ min: 0, max: 200_000 }).map((length) => `https://lds.example/${'é'.repeat(length)}`));

const told = fc.record({ type: fc.constantFrom(...EMITTED_TYPES), data, causationId: causation, secret: launchUrl, name: fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,250}[a-z0-9])?$/) })
  .map(({ type, data: fields, causationId, secret, name }): CloudEvent => {
    const draft: OutboxDraft = {};
    recordEvent(draft, type, fields as never, { uid, now: new Date('2026-11-23T10:00:00Z'), causationId }, { name: `${name}-launch`, key: 'url', field: 'login_url' });
    const [entry] = (draft.outbox ?? []).filter(isForSinks);
    if (!entry) throw new Error('nothing was recorded');
    return envelope(entry, { metadata: { name, namespace: 'n'.repeat(63), uid } as never }, LABLET_SESSIONS, '/ccm/lablet-controller', secret);
  });

describe('whatever an event tells', () => {
  test('it is at most 64 KiB on the wire, headers included, in both modes', () => {
    fc.assert(fc.property(told, fc.constantFrom('binary' as const, 'structured' as const), (event, mode) => {
      const { headers, body } = encodeEvent(event, mode);
      const wire = Object.entries(headers).reduce((sum, [name, value]) => sum + name.length + Buffer.byteLength(value) + 4, 0) + (body?.length ?? 0);
      expect(wire).toBeLessThanOrEqual(WIRE_MAX_BYTES);
    }));
  });

  test('its attributes are plain ASCII, and its sequence has ten digits', () => {
    fc.assert(fc.property(told, ({ id, source, type, subject, time, datacontenttype, dataschema, extensions }) => {
      for (const value of [id, source, type, subject, time, datacontenttype, dataschema, ...extensions.values()]) expect(String(value)).toMatch(/^[\u0021-\u007e]*$/);
      expect(extensions.get('sequence')).toMatch(/^\d{10}$/);
    }));
  });
});
