import type { ErrorRequestHandler, NextFunction, Request, RequestHandler, Response } from 'express';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { UnknownFault, type Faults } from './faults.ts';
import type { Journal } from './journal.ts';

/** An answer other than success; the error handler of each simulator gives it that system's body. */
export class HttpProblem extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.name = 'HttpProblem';
    this.status = status;
  }
}

/** Reads outside data with a schema. @throws HttpProblem 400 that names each field at fault */
export function read<T>(schema: z.ZodType<T>, value: unknown): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw new HttpProblem(400, describeIssues(result.error));
}

/** The issues of a schema in one line: `nodes.0.label: must be text; …`. */
export function describeIssues(error: z.ZodError): string {
  return error.issues.map(({ path, message }) => (path.length === 0 ? message : `${path.join('.')}: ${message}`)).join('; ');
}

const routeOf = (request: Request): string => `${request.method} ${request.originalUrl.split('?')[0] ?? ''}`;

const matchedRoute = z.object({ path: z.string() });

/** The route that answered, as a pattern such as `PUT /labs/:lab/start`: what the counters count. */
function patternOf(request: Request): string {
  const route = matchedRoute.safeParse(request.route);
  return route.success ? `${request.method} ${route.data.path}` : 'unmatched';
}

/** Remembers every call, also those that never got an answer. */
export function recordCalls(journal: Journal, now: () => number): RequestHandler {
  return (request, response, next) => {
    const [path = '', query = ''] = request.originalUrl.split('?');
    response.once('close', () => {
      const call = { at: new Date(now()).toISOString(), method: request.method, path, query };
      journal.record({ ...call, status: response.writableFinished ? response.statusCode : null }, patternOf(request));
    });
    next();
  };
}

/** Time that the `latency` fault adds to an answer, real milliseconds. */
const SLOW_MS = 1_000;

/** Names of the faults that `commonFaults` injects. */
export const COMMON_FAULTS = ['latency', 'http500', 'lost-answer'] as const;

/**
 * The faults that any HTTP service can have: `latency` (one second more), `http500` (refused before any
 * work), `lost-answer` (the work is done, then the connection drops: the outcome is unknown to the caller).
 *
 * @param latencyMs every answer waits for so long, fault or not
 */
export function commonFaults(faults: Faults, latencyMs: number): RequestHandler {
  return async (request: Request, response: Response, next: NextFunction) => {
    const route = routeOf(request);
    const wait = latencyMs + (faults.strikes('latency', route) ? SLOW_MS : 0);
    if (wait > 0) await sleep(wait);
    if (faults.strikes('http500', route)) throw new HttpProblem(500, 'injected fault: http500');
    if (faults.strikes('lost-answer', route)) dropAnswer(request, response);
    next();
  };
}

function dropAnswer(request: Request, response: Response): void {
  response.end = (): Response => {
    request.socket.destroy();
    return response;
  };
}

/** Anything that is not simulated: 404, and a log line so that a missing call does not go unnoticed. */
export function notSimulated(log: (message: string, fields?: Record<string, unknown>) => void): RequestHandler {
  return (request) => {
    log('call is not simulated', { call: routeOf(request) });
    throw new HttpProblem(404, `Not found: ${routeOf(request)}`);
  };
}

/** Turns whatever a handler threw into an answer whose body `body(status, message)` makes. */
export function answerErrors(body: (status: number, message: string) => unknown): ErrorRequestHandler {
  return (error: unknown, _request, response, next) => {
    if (response.headersSent) {
      next(error);
      return;
    }
    const status = statusOf(error);
    response.status(status).json(body(status, error instanceof Error ? error.message : String(error)));
  };
}

function statusOf(error: unknown): number {
  if (error instanceof HttpProblem) return error.status;
  if (error instanceof UnknownFault || error instanceof z.ZodError) return 400;
  const bodyParser = z.object({ status: z.int().min(400).max(499) }).safeParse(error);
  return bodyParser.success ? bodyParser.data.status : 500;
}
