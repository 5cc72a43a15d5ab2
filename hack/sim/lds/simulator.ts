import express, { json, Router, type Express } from 'express';
import { z } from 'zod';
import { eventInspectionRoutes } from '../common/event-inspection.ts';
import { EVENT_FAULTS, EventSender, type EventMode } from '../common/event-sender.ts';
import { Faults } from '../common/faults.ts';
import { inspectionRoutes } from '../common/inspection.ts';
import { Journal } from '../common/journal.ts';
import { listen } from '../common/listen.ts';
import { resolveOptions, type SimulatorOptions } from '../common/options.ts';
import type { Script } from '../common/script.ts';
import { Timers } from '../common/time.ts';
import { answerErrors, COMMON_FAULTS, commonFaults, HttpProblem, notSimulated, read, recordCalls } from '../common/web.ts';
import { LabDelivery } from './delivery.ts';
import { LaunchPages } from './launch.ts';
import { requireBasicLogin, reservationRoutes } from './routes.ts';

/** Faults that `--fault` and `POST /sim/fault` know. */
const LDS_FAULTS = [...COMMON_FAULTS, ...EVENT_FAULTS, 'http401'] as const;

export interface EventOptions {
  /** URL that takes the events; absent: none are sent until `PUT /sim/events-to` names one. */
  eventsTo?: string;
  /** Default binary. */
  eventMode?: EventMode;
  /** Real ms by which the faults `delay` and `reorder` hold an event back, default 2000. */
  eventDelayMs?: number;
}

export interface LdsOptions extends SimulatorOptions, EventOptions {
  /** How candidates behave; default: they start after 1 s and end after 2 s more. */
  rules?: Script['lds'];
}

export interface LdsSimulator {
  readonly seed: string;
  readonly app: Express;
  readonly delivery: LabDelivery;
  readonly sender: EventSender;
  /** Starts to serve. Returns the base URL. */
  listen(): Promise<string>;
  close(): Promise<void>;
}

/** The Lab Delivery System's reservations API, with candidates who work as the script says. */
export function createLdsSimulator(input: LdsOptions = {}): LdsSimulator {
  const options = resolveOptions(input);
  const { now, seed, log } = options;
  const journal = new Journal();
  const faults = new Faults(LDS_FAULTS, options.faults, seed);
  const timers = new Timers(options.timeScale);
  const sender = new EventSender({
    source: '/lds/simulator', mode: input.eventMode ?? 'binary', delayMs: input.eventDelayMs ?? 2_000, seed, now, faults, log,
    ...(input.eventsTo !== undefined && { target: input.eventsTo }),
  });
  const delivery = new LabDelivery({ rules: input.rules ?? [], sender, timers, now, seed });
  const pages = new LaunchPages(delivery);
  const reset = (): void => {
    for (const part of [delivery, faults, sender]) part.reset();
    journal.clear();
  };
  let url = '';
  let close = async (): Promise<void> => Promise.resolve();

  const app = express().disable('x-powered-by').disable('etag');
  app.use('/sim', candidateRoutes(delivery), eventInspectionRoutes(sender), inspectionRoutes({ journal, faults, reset }));
  app.use(recordCalls(journal, now));
  app.use(pages.routes());
  app.use('/reservations/v3', commonFaults(faults, options.latencyMs), (request, _response, next) => {
    if (faults.strikes('http401', `${request.method} ${request.originalUrl}`)) throw new HttpProblem(401, 'injected fault: http401');
    next();
  });
  app.use('/reservations/v3', requireBasicLogin(options.user, options.password), reservationRoutes(delivery, (session) => pages.linkTo(session, url)));
  app.use(notSimulated(log), answerErrors((status, message) => ({ status, error: message })));

  return {
    seed, app, delivery, sender,
    async listen() {
      const listening = await listen(app, options);
      close = () => listening.close();
      url = listening.url;
      return url;
    },
    async close() {
      timers.clear();
      sender.close();
      await close();
    },
  };
}

const why = z.object({ reason: z.string().default('user_finished'), endedBy: z.string().default('candidate') }).prefault({});

/** `GET /sim/sessions`, `GET /sim/content`, and the candidate's hand: `POST /sim/sessions/{id}/start|pause|resume|end`. */
function candidateRoutes(delivery: LabDelivery): Router {
  const router = Router();
  router.get('/sessions', (_request, response) => {
    response.json(delivery.sessions());
  });
  router.get('/content', (_request, response) => {
    response.json(delivery.content());
  });
  for (const act of ['start', 'pause', 'resume'] as const) {
    router.post(`/sessions/:id/${act}`, (request, response) => {
      delivery[act](z.string().parse(request.params['id']));
      response.status(204).end();
    });
  }
  router.post('/sessions/:id/end', json(), (request, response) => {
    delivery.end(request.params.id, read(why, request.body));
    response.status(204).end();
  });
  return router;
}
