/** Logs: one JSON object a line on standard output, with the same field names everywhere and no secret in any. */
import { pino, stdTimeFunctions } from 'pino';
import type { DestinationStream, Logger as PinoLogger } from 'pino';
import { redact, redactText } from './redact.ts';

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** Bind these with `log.child({...})` so that all lines about one session can be found by any of them. */
export interface LogFields {
  /** `namespace/name` of the LabletSession. */
  readonly session?: string;
  /** uid of the object, which is also the correlation id of its CloudEvents. */
  readonly uid?: string;
  readonly phase?: string;
  /** W3C trace id, 32 hex digits. */
  readonly traceId?: string;
  readonly [field: string]: unknown;
}

export type Logger = Pick<PinoLogger, 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'level' | 'isLevelEnabled'> & {
  child(fields: LogFields): Logger;
};

export interface LogOptions {
  /** LOG_LEVEL. @default 'info' */
  readonly level?: LogLevel;
  /** Bound to every line. */
  readonly fields?: LogFields;
  /** Where lines go. @default standard output, written before the call returns: a crash loses none */
  readonly destination?: DestinationStream;
}

/** The logger of the program; everything else takes it, or a child of it, as an argument. */
export function createLogger({ level = 'info', fields = {}, destination }: LogOptions = {}): Logger {
  return pino(
    {
      level,
      base: fields,
      timestamp: stdTimeFunctions.isoTime,
      messageKey: 'message',
      errorKey: 'error',
      formatters: {
        level: (label) => ({ level: label }),
        log: (line) => redact(line) as Record<string, unknown>,
        bindings: (bound) => redact(bound) as Record<string, unknown>,
      },
      // The formatter above has already made errors plain; pino's own serializer would print every property.
      serializers: { error: (error: unknown) => redact(error), err: (error: unknown) => redact(error) },
      hooks: {
        logMethod(args, method) {
          const clean = args.map((arg: unknown) => (typeof arg === 'string' ? redactText(arg) : arg));
          method.apply(this, clean as typeof args);
        },
      },
    },
    destination ?? pino.destination({ dest: 1, sync: true }),
  );
}

/** Says nothing; for tests and for parts that are used without a log. */
export const silentLog: Logger = createLogger({ level: 'silent' });
