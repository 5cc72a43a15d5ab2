/**
 * Traces, behind a port that costs nothing while they are off. A span is recorded when it is over, with its beginning
 * and its end; its place in the trace is known from the start, so that what happens below it can name it.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { randomBytes } from 'node:crypto';
import { redactText } from './redact.ts';
import { traceParent } from './trace-context.ts';
import type { SpanContext } from './trace-context.ts';

export type Attributes = Readonly<Record<string, string | number | boolean>>;

/** What a span says of itself; names and attributes as OpenTelemetry's semantic conventions have them. */
export interface SpanDetails {
  /** Few different ones: no ids in it. */
  readonly name: string;
  /** @default 'internal' */
  readonly kind?: 'internal' | 'client' | 'producer' | 'consumer';
  readonly attributes?: Attributes;
  /** Spans of other traces that had to do with it. */
  readonly links?: readonly SpanContext[];
}

export interface ChildDetails extends SpanDetails {
  /** Recorded only if something was recorded during it: a pass that did nothing leaves no trace. @default false */
  readonly onlyIfUsed?: boolean;
}

/** A span that is over. */
export interface FinishedSpan extends SpanDetails, SpanContext {
  readonly parentId?: string | undefined;
  /** Milliseconds since 1970. */
  readonly start: number;
  readonly end: number;
  /** Why what it stands for failed. */
  readonly error?: string | undefined;
}

/** A span that is under way. */
export interface OpenSpan {
  /** For the header `traceparent` of a request that belongs to it; undefined: traces are off. */
  readonly traceParent: string | undefined;
  set(name: string, value: string | number): void;
}

export interface Tracer {
  /** Does the work as a child of `parent`, wherever that is. */
  within<T>(parent: SpanContext, span: ChildDetails, work: () => Promise<T>): Promise<T>;
  /** Does the work as a part of what is being done around it; as itself, without a span, where that is in no trace. */
  span<T>(span: SpanDetails, work: (open: OpenSpan) => Promise<T>): Promise<T>;
  /** The work as a part of what is being done now, whoever begins it later: a queue begins it from what ends before it. */
  bound<A extends unknown[], R>(work: (...args: A) => R): (...args: A) => R;
  /** For what is over already. */
  record(span: FinishedSpan): void;
  /** Sends what is left. */
  close(): Promise<void>;
}

const NOT_TRACED: OpenSpan = { traceParent: undefined, set: () => undefined };

/** Traces are off. */
export const noTracer: Tracer = {
  within: (_parent, _span, work) => work(),
  span: (_span, work) => work(NOT_TRACED),
  bound: (work) => work,
  record: () => undefined,
  close: async () => undefined,
};

/** Where finished spans go. */
export interface SpanSink {
  /** Is this trace recorded? The same answer on every replica. */
  isSampled(traceId: string): boolean;
  record(span: FinishedSpan): void;
  close(): Promise<void>;
}

interface Scope extends SpanContext {
  /** Was something recorded during it? */
  isUsed: boolean;
}

/** Traces are on. */
export class RecordingTracer implements Tracer {
  readonly #sink: SpanSink;
  readonly #scope = new AsyncLocalStorage<Scope>();

  constructor(sink: SpanSink) {
    this.#sink = sink;
  }

  async within<T>(parent: SpanContext, { onlyIfUsed = false, ...span }: ChildDetails, work: () => Promise<T>): Promise<T> {
    return this.#sink.isSampled(parent.traceId) ? this.#run(parent, span, work, (scope) => !onlyIfUsed || scope.isUsed) : work();
  }

  async span<T>(span: SpanDetails, work: (open: OpenSpan) => Promise<T>): Promise<T> {
    const parent = this.#scope.getStore();
    if (!parent) return work(NOT_TRACED);
    return this.#run(parent, span, work, () => (parent.isUsed = true));
  }

  bound<A extends unknown[], R>(work: (...args: A) => R): (...args: A) => R {
    return AsyncLocalStorage.bind(work);
  }

  record(span: FinishedSpan): void {
    if (!this.#sink.isSampled(span.traceId)) return;
    const scope = this.#scope.getStore();
    if (scope) scope.isUsed = true;
    this.#sink.record(span);
  }

  close(): Promise<void> {
    return this.#sink.close();
  }

  async #run<T>(parent: SpanContext, span: SpanDetails, work: (open: OpenSpan) => Promise<T>, isKept: (scope: Scope) => boolean): Promise<T> {
    const scope: Scope = { traceId: parent.traceId, spanId: randomBytes(8).toString('hex'), isUsed: false };
    const attributes: Record<string, string | number | boolean> = { ...span.attributes };
    // The wall clock says when, the other one how long: it may be set meanwhile.
    const start = Date.now();
    const began = performance.now();
    let error: string | undefined;
    try {
      return await this.#scope.run(scope, () => work({ traceParent: traceParent(scope), set: (name, value) => { attributes[name] = value; } }));
    } catch (thrown) {
      error = redactText(thrown instanceof Error ? thrown.message : String(thrown));
      throw thrown;
    } finally {
      if (isKept(scope)) this.#sink.record({ ...span, attributes, traceId: scope.traceId, spanId: scope.spanId, parentId: parent.spanId, start, end: start + performance.now() - began, error });
    }
  }
}
