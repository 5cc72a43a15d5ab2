/** What the archive keeps of a received event, beside what became of it. */
import { canonicalJson, sha256Hex } from '../../core/canonical.ts';
import { attributesOf, SPEC_VERSION } from '../cloudevent.ts';
import type { Receipt } from '../../api/archive.ts';
import type { CloudEvent } from '../cloudevent.ts';

/**
 * The hash is that of the event itself, however it travelled: of its structured form (`specversion`, attributes, `data`
 * or `data_base64`) in canonical JSON. So a sender can show what it sent, in whichever mode it did.
 */
export function receiptOf(event: CloudEvent): Receipt {
  const { id, source, type, time, subject, extensions, data } = event;
  const content = data === undefined ? {} : data.kind === 'json' ? { data: data.value } : { data_base64: Buffer.from(data.bytes).toString('base64') };
  const sha256 = sha256Hex(canonicalJson({ specversion: SPEC_VERSION, ...Object.fromEntries(attributesOf(event)), ...content }));
  return {
    id, source, type, time, subject, sha256,
    ...(extensions.size === 0 ? {} : { extensions: Object.fromEntries(extensions) }),
    ...(data?.kind === 'json' ? { data: data.value } : {}),
  };
}
