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
  const root = pino(
    {
      level,
      base: redact(fields) as LogFields,
      timestamp: stdTimeFunctions.isoTime,
      messageKey: 'message',
      errorKey: 'error',
      formatters: {
        level: (label) => ({ level: label }),
        log: (line) => redact(line) as Record<string, unknown>,
      },
      // The formatter has made errors plain already; pino's own serializer would take them for errors once more.
      serializers: { error: asItIs, err: asItIs },
      hooks: {
        logMethod(args, method) {
          // Without a message pino would take the error's own, after this hook and as it is.
          const [first, ...rest] = args as unknown[];
          const given = first instanceof Error ? [{ error: first }, ...(rest.length > 0 ? rest : [first.message])] : args;
          method.apply(this, given.map((arg: unknown) => (typeof arg === 'string' ? redactText(arg) : arg)) as typeof args);
        },
      },
    },
    destination ?? pino.destination({ dest: 1, sync: true }),
  );
  return withRedactedChildren(root, Reflect.get(root, 'child'));
}

function asItIs(value: unknown): unknown {
  return value;
}

type MakeChild = (this: PinoLogger, fields: LogFields) => PinoLogger;

/** pino writes bound fields once, when the child is made, past every formatter of its parent: they are cleaned before. */
function withRedactedChildren(logger: PinoLogger, makeChild: MakeChild): Logger {
  const child = (fields: LogFields): Logger => withRedactedChildren(makeChild.call(logger, redact(fields) as LogFields), makeChild);
  return Object.assign(logger, { child });
}

/** Says nothing; for tests and for parts that are used without a log. */
export const silentLog: Logger = createLogger({ level: 'silent' });
