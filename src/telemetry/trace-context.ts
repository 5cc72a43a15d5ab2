/**
 * Who belongs to which trace (W3C Trace Context). All ids of a session's trace follow from its uid, so that any replica,
 * before and after any crash, adds to the same trace without having seen the rest of it.
 */
import { createHash } from 'node:crypto';

/** A span, as others refer to it. */
export interface SpanContext {
  /** 32 hex digits. */
  readonly traceId: string;
  /** 16 hex digits. */
  readonly spanId: string;
}

const SPAN_DIGITS = 16;
const TRACE_PARENT = /^[0-9a-f]{2}-(?<traceId>[0-9a-f]{32})-(?<spanId>[0-9a-f]{16})-[0-9a-f]{2}$/;

const hex = (uuid: string): string => uuid.replaceAll('-', '').toLowerCase();

/** The trace of an object: its uid without the dashes, so that `kubectl get` and a log line lead to it. */
export const traceIdOf = (uid: string): string => hex(uid);

/** The span of something that has one place in the trace of an object, such as its third phase. */
export function spanOf(uid: string, ...what: readonly string[]): SpanContext {
  const digest = createHash('sha256').update([uid, ...what].join('\n')).digest('hex');
  return { traceId: traceIdOf(uid), spanId: digest.slice(0, SPAN_DIGITS) };
}

/** The span of an emitted CloudEvent: what its `traceparent` names, and thus what a consumer's span has as its parent. */
export const eventSpan = (uid: string, eventId: string): SpanContext => ({ traceId: traceIdOf(uid), spanId: hex(eventId).slice(0, SPAN_DIGITS) });

/** As header and CloudEvents attribute `traceparent`. Sampled, or a consumer that follows its parent would record nothing of it. */
export const traceParent = ({ traceId, spanId }: SpanContext): string => `00-${traceId}-${spanId}-01`;

/** What a `traceparent` names; undefined if it is none. */
export function readTraceParent(text: string | undefined): SpanContext | undefined {
  const { traceId, spanId } = TRACE_PARENT.exec(text ?? '')?.groups ?? {};
  return traceId === undefined || spanId === undefined || /^0+$/.test(traceId) || /^0+$/.test(spanId) ? undefined : { traceId, spanId };
}
