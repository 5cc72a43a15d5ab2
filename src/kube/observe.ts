/** What this room tells about itself: the log and the counters are handed in, it knows neither pino nor Prometheus. */

/** A structured logger; pino fits as it is. */
export interface KubeLogger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** Why a watch ended, other than by our own wish: the server closed it in good order, silence, or an error. */
export type WatchEnd = 'closed' | 'idle' | 'error';

/** Counters. `resource` is the plural with its group, e.g. `labletsessions.lablet.dev`. */
export interface KubeMetrics {
  /**
   * One HTTP attempt. `code` is the status, or `transport` / `timeout` when no answer came; `seconds` is the wall time.
   * A watch is reported once, when its headers arrived.
   */
  request(verb: string, resource: string, code: string, seconds: number): void;
  /** A read, or a write that was surely not processed, is tried again. */
  retry(verb: string, resource: string): void;
  /** A watch ended, and another will follow. */
  watchEnded(resource: string, reason: WatchEnd): void;
  /** A whole list was taken over (the first one included). */
  relist(resource: string): void;
  /** The audit found changes that the watch had not delivered: this must stay 0. */
  missed(resource: string, count: number): void;
  /** A change handler threw. */
  handlerError(resource: string): void;
}

const ignore = (): void => undefined;

/** Says nothing: the default where no logger is given. */
export const silentLogger: KubeLogger = { debug: ignore, info: ignore, warn: ignore, error: ignore };

/** Counts nothing: the default where no metrics are given. */
export const noMetrics: KubeMetrics = {
  request: ignore,
  retry: ignore,
  watchEnded: ignore,
  relist: ignore,
  missed: ignore,
  handlerError: ignore,
};
