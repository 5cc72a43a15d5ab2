/**
 * EC2 as it really is, before a moto server that lacks the awkward half: client tokens that are remembered, transitions
 * that take time, throttling, lost answers, no capacity, and hands other than ours. Everything else moto answers itself.
 */
import express, { text, type Express, type Request, type Response } from 'express';
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Faults } from '../common/faults.ts';
import { inspectionRoutes } from '../common/inspection.ts';
import { Journal } from '../common/journal.ts';
import { listen } from '../common/listen.ts';
import { resolveOptions, type SimulatorOptions } from '../common/options.ts';
import { answerErrors } from '../common/web.ts';
import { Fleet } from './fleet.ts';
import { handRoutes } from './hand.ts';
import { ClientTokens, ParameterMismatch } from './tokens.ts';
import { errorBody, instanceIds, rewriteInstances } from './xml.ts';
import { Upstream } from './upstream.ts';
import type { CmlOptions } from '../cml/simulator.ts';

/** `throttle` and `http500` refuse before any work, `lost-answer` after it; `capacity` and `limit` refuse launches. */
const EC2_FAULTS = ['latency', 'throttle', 'http500', 'lost-answer', 'capacity', 'limit'] as const;

export interface Ec2Options extends Omit<SimulatorOptions, 'tls' | 'user' | 'password'> {
  /** The moto server: http://127.0.0.1:5000. */
  upstream: string;
  /** Simulated ms that a transition takes, default 0. */
  transitionMs?: number;
  /** Names of images that are registered at the start, in us-east-1: moto has none of CML. */
  images?: readonly string[];
  /** Port on which every running instance serves a simulated CML, at its own address; default: none does. */
  cmlPort?: number;
  /** Address of the first instance, default 127.20.0.1; the others follow. */
  firstAddress?: string;
  cml?: Omit<CmlOptions, 'seed' | 'host' | 'port' | 'timeScale'>;
}

export interface Ec2Simulator {
  readonly seed: string;
  readonly app: Express;
  /** Switches a fault, as POST /sim/fault does; the route is `ACTION TYPE SUBNET`. */
  readonly faults: Faults;
  /** Ids of the images that were registered at the start, by name. */
  readonly images: ReadonlyMap<string, string>;
  listen(): Promise<string>;
  close(): Promise<void>;
}

const SLOW_MS = 1_000;

/** An answer of EC2 other than success. */
class Refusal extends Error {
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string, message: string) {
    super(message);
    this.name = 'Refusal';
    this.status = status;
    this.code = code;
  }
}

export function createEc2Simulator(input: Ec2Options): Ec2Simulator {
  const options = resolveOptions(input);
  const { seed, log, timeScale } = options;
  const journal = new Journal();
  const faults = new Faults(EC2_FAULTS, options.faults, seed);
  const tokens = new ClientTokens();
  const upstream = new Upstream(input.upstream);
  const fleet = new Fleet({
    seed, timeScale, log, transitionMs: input.transitionMs ?? 0, firstAddress: input.firstAddress ?? '127.20.0.1', cmlPort: input.cmlPort, cml: input.cml ?? {},
  });

  /** One call, as EC2 would answer it. @throws Refusal */
  async function answer(request: Request, form: URLSearchParams): Promise<string> {
    const action = form.get('Action') ?? '';
    const what = [action, form.get('InstanceType'), form.get('SubnetId')].filter(Boolean).join(' ');
    const wait = options.latencyMs + (faults.strikes('latency', what) ? SLOW_MS : 0);
    if (wait > 0) await sleep(wait);
    if (faults.strikes('throttle', what)) throw new Refusal(503, 'RequestLimitExceeded', 'Request limit exceeded.');
    if (faults.strikes('http500', what)) throw new Refusal(500, 'InternalError', 'An internal error has occurred');
    const forward = async (): Promise<string> => {
      const { status, body } = await upstream.forward(request, form);
      if (status >= 300) throw Object.assign(new Refusal(status, 'Upstream', 'the upstream refuses'), { body });
      return body;
    };
    const launch = async (): Promise<string> => {
      if (faults.strikes('capacity', what)) throw new Refusal(500, 'InsufficientInstanceCapacity', `We currently do not have sufficient ${form.get('InstanceType') ?? ''} capacity in the Availability Zone you requested.`);
      if (faults.strikes('limit', what)) throw new Refusal(400, 'VcpuLimitExceeded', 'You have requested more vCPU capacity than your current vCPU limit allows.');
      const body = await forward();
      for (const id of instanceIds(body)) fleet.moves(id, 'running');
      return body;
    };
    const body = action === 'RunInstances' ? await tokens.once(form, launch) : await forward();
    const to = MOVES[action];
    if (to) for (const id of instanceIds(body)) fleet.moves(id, to);
    return rewriteInstances(body, (id) => fleet.shown(id));
  }

  async function handle(request: Request, response: Response): Promise<void> {
    const form = new URLSearchParams(typeof request.body === 'string' ? request.body : '');
    const action = form.get('Action') ?? 'unknown';
    response.once('close', () => {
      journal.record({ at: new Date(options.now()).toISOString(), method: 'POST', path: `/${action}`, query: '', status: response.writableFinished ? response.statusCode : null }, action);
    });
    response.type('text/xml');
    try {
      const body = await answer(request, form);
      if (faults.strikes('lost-answer', action)) request.socket.destroy();
      else response.send(body);
    } catch (error) {
      if (error instanceof ParameterMismatch) response.status(400).send(errorBody('IdempotentParameterMismatch', error.message));
      else if (error instanceof Refusal) response.status(error.status).send('body' in error ? error.body : errorBody(error.code, error.message));
      else throw error;
    }
  }

  const app = express().disable('x-powered-by').disable('etag');
  const reset = (): void => {
    faults.reset();
    journal.clear();
    tokens.clear();
  };
  app.use('/sim', handRoutes(upstream, fleet), inspectionRoutes({ journal, faults, reset }));
  app.post('/', text({ type: () => true, limit: '1mb' }), handle);
  app.use(answerErrors((status, message) => ({ status, message, requestId: randomUUID() })));

  const images = new Map<string, string>();
  let stop = async (): Promise<void> => Promise.resolve();
  return {
    seed, app, faults, images,
    async listen() {
      for (const name of input.images ?? []) images.set(name, await upstream.registerImage(name));
      const listening = await listen(app, options);
      stop = () => listening.close();
      return listening.url;
    },
    async close() {
      await stop();
      await fleet.close();
    },
  };
}

const MOVES: Readonly<Record<string, 'running' | 'stopped' | 'terminated' | undefined>> = { StartInstances: 'running', StopInstances: 'stopped', TerminateInstances: 'terminated' };
