import express, { Router, type Express } from 'express';
import { eventInspectionRoutes } from '../common/event-inspection.ts';
import { EVENT_FAULTS, EventSender } from '../common/event-sender.ts';
import { Faults } from '../common/faults.ts';
import { inspectionRoutes } from '../common/inspection.ts';
import { Journal } from '../common/journal.ts';
import { TokenIssuer } from '../common/jwt.ts';
import { listen } from '../common/listen.ts';
import { resolveOptions, type SimulatorOptions } from '../common/options.ts';
import type { Script } from '../common/script.ts';
import { Timers } from '../common/time.ts';
import { answerErrors, COMMON_FAULTS, commonFaults, HttpProblem, notSimulated, recordCalls } from '../common/web.ts';
import type { EventOptions } from '../lds/simulator.ts';
import { GradingEngine } from './engine.ts';
import { gradingRoutes, requireBearer, tokenRoute } from './routes.ts';

/** Faults that `--fault` and `POST /sim/fault` know. */
const GRADING_FAULTS = [...COMMON_FAULTS, ...EVENT_FAULTS, 'http401'] as const;

export interface GradingOptions extends SimulatorOptions, EventOptions {
  /** How work is graded; default: 80 of 100 after 1 s. */
  rules?: Script['grading'];
  /** Shape of the score in events, where the rule does not say; default flat. */
  scoreShape?: 'flat' | 'nested';
  /** Real ms until an access token expires, default 1 h. */
  tokenLifetimeMs?: number;
}

export interface GradingSimulator {
  readonly seed: string;
  readonly app: Express;
  readonly engine: GradingEngine;
  readonly sender: EventSender;
  /** Starts to serve. Returns the base URL; tokens are issued at `/oauth/token` below it. */
  listen(): Promise<string>;
  close(): Promise<void>;
}

/** The GradingEngine's API with its token endpoint; results arrive as CloudEvents and can be polled. */
export function createGradingSimulator(input: GradingOptions = {}): GradingSimulator {
  const options = resolveOptions(input);
  const { now, seed, log } = options;
  const journal = new Journal();
  const faults = new Faults(GRADING_FAULTS, options.faults, seed);
  const timers = new Timers(options.timeScale);
  const tokens = new TokenIssuer(input.tokenLifetimeMs ?? 3_600_000, now);
  const sender = new EventSender({
    source: '/grading-engine/simulator', mode: input.eventMode ?? 'binary', delayMs: input.eventDelayMs ?? 2_000, seed, now, faults, log,
    ...(input.eventsTo !== undefined && { target: input.eventsTo }),
  });
  const rules = input.rules ?? [];
  const engine = new GradingEngine({ rules, shape: input.scoreShape ?? 'flat', sender, timers, now, seed });
  const reset = (): void => {
    for (const part of [engine, faults, sender]) part.reset();
    journal.clear();
  };

  const app = express().disable('x-powered-by').disable('etag');
  app.use('/sim', sessionRoutes(engine, tokens), eventInspectionRoutes(sender), inspectionRoutes({ journal, faults, reset }));
  app.use(recordCalls(journal, now));
  app.use(commonFaults(faults, options.latencyMs), tokenRoute(tokens, { id: options.user, secret: options.password }));
  app.use('/api/v1', (request, _response, next) => {
    if (faults.strikes('http401', `${request.method} ${request.originalUrl}`)) throw new HttpProblem(401, 'injected fault: http401');
    next();
  });
  app.use('/api/v1', requireBearer(tokens), gradingRoutes(engine, rules));
  app.use(notSimulated(log), answerErrors((status, message) => ({ status, error: message })));

  let close = async (): Promise<void> => Promise.resolve();
  return {
    seed, app, engine, sender,
    async listen() {
      const listening = await listen(app, options);
      close = () => listening.close();
      return listening.url;
    },
    async close() {
      timers.clear();
      sender.close();
      await close();
    },
  };
}

/** `GET /sim/sessions`, `POST /sim/expire-tokens`. */
function sessionRoutes(engine: GradingEngine, tokens: TokenIssuer): Router {
  const router = Router();
  router.get('/sessions', (_request, response) => {
    response.json(engine.sessions());
  });
  router.post('/expire-tokens', (_request, response) => {
    tokens.revokeAll();
    response.status(204).end();
  });
  return router;
}
