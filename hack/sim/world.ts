import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { createCmlSimulator, type CmlOptions } from './cml/simulator.ts';
import type { EventMode } from './common/event-sender.ts';
import type { FaultSwitch } from './common/faults.ts';
import { readScript, type ScriptInput } from './common/script.ts';
import { parseDuration } from './common/time.ts';
import { createGradingSimulator } from './grading/simulator.ts';
import { createLdsSimulator } from './lds/simulator.ts';
import { startSimProcess } from './spawn.ts';

export interface WorldOptions {
  /** Number of CML hosts, default 1. */
  cml?: number;
  /**
   * The same seed makes the same world, down to the ids of its labs and events: so not twice for one controller, which
   * takes an event that it has seen for a repetition. Default: a new one each time.
   */
  seed?: string;
  /** Duration from start to boot of a node, default 0s. */
  bootDelay?: string;
  /** How candidates behave and are graded. */
  script?: ScriptInput;
  /** Where LDS and GradingEngine post their events; can be set later with `sendEventsTo`. */
  eventsTo?: string;
  eventMode?: EventMode;
  /** How long the faults `delay` and `reorder` hold an event back, in real milliseconds; default 2000. */
  eventDelayMs?: number;
  /** Simulated durations are divided by this, default 1. */
  scale?: number;
  /** Password of the login at every one of them, default secret. */
  password?: string;
  /** Run each simulator as a process of its own; default false: all in this process. */
  processes?: boolean;
  /** More options for the CML hosts of a world in this process. */
  cmlOptions?: Omit<CmlOptions, 'seed' | 'bootDelayMs' | 'timeScale' | 'password'>;
}

const simNode = z.object({ id: z.string(), label: z.string(), state: z.string(), tags: z.array(z.string()) });
const simLab = z.object({ id: z.string(), title: z.string(), owner: z.string(), state: z.string(), converged: z.boolean(), nodes: z.array(simNode) });
const ldsSession = z.object({ id: z.string(), candidateId: z.string(), state: z.string(), launchedAt: z.string().optional(), startedAt: z.string().optional(), endedAt: z.string().optional(), releasedAt: z.string().optional() });
const geSession = z.object({ id: z.string(), candidateId: z.string(), parts: z.array(z.object({ id: z.string(), status: z.string(), gradeCalls: z.int(), runs: z.int() })) });
const sentEvent = z.object({ id: z.string(), source: z.string(), type: z.string(), subject: z.string(), deliveries: z.int(), state: z.string() });
const counters = z.record(z.string(), z.int());
const clash = z.object({ port: z.int(), winner: z.object({ title: z.string(), node: z.string() }), loser: z.object({ title: z.string(), node: z.string() }) });

type SimLabSummary = z.infer<typeof simLab>;

/** One running simulator of a world. */
interface Site {
  /** Base URL; the CML API is below `/api/v0`. */
  readonly url: string;
  close(): Promise<void>;
}

/** The systems around the controller, running, with a view on what happened to them. */
export interface SimulatedWorld {
  /** What its random choices were drawn from. */
  readonly seed: string;
  readonly cml: readonly Site[];
  readonly lds: Site;
  readonly grading: Site & { readonly tokenUrl: string };
  /** Login at every one of them. */
  readonly credentials: { readonly username: string; readonly password: string };
  /** The labs on each CML host, in the order of `cml`. */
  labsOnHosts(): Promise<SimLabSummary[][]>;
  /** Calls by route on each CML host, such as `POST /import` or `DELETE /labs/:lab`. */
  cmlCounters(): Promise<Record<string, number>[]>;
  /** Every clash of ports that was ever seen on a host. */
  portClashes(): Promise<z.infer<typeof clash>[]>;
  ldsSessions(): Promise<z.infer<typeof ldsSession>[]>;
  /** How often grading was asked for and ran, a row for each part of each session. */
  gradeCalls(): Promise<{ sessionId: string; candidateId: string; partId: string; status: string; gradeCalls: number; runs: number }[]>;
  /** The events that LDS and GradingEngine sent, and how often each was accepted. */
  eventsSent(): Promise<z.infer<typeof sentEvent>[]>;
  /** Switches a fault of one site. */
  setFault(site: Site, fault: FaultSwitch): Promise<void>;
  /** The lab vanishes from its CML host, as after a crash of the host. */
  loseLab(host: Site, labId: string): Promise<void>;
  /** From now on LDS and GradingEngine post their events there. */
  sendEventsTo(url: string): Promise<void>;
  close(): Promise<void>;
}

/** Starts CML hosts, an LDS and a GradingEngine on free ports of the loopback address. */
export async function startSimulatedWorld(options: WorldOptions = {}): Promise<SimulatedWorld> {
  const seed = options.seed ?? randomUUID();
  const starts = options.processes === true ? processStarts(options, seed) : localStarts(options, seed);
  const sites: Site[] = [];
  const closeAll = async (): Promise<void> => {
    await Promise.all(sites.map((site) => site.close()));
  };
  const started = async (start: () => Promise<Site>): Promise<Site> => {
    const site = await start();
    sites.push(site);
    return site;
  };
  try {
    const [lds, grading, ...cml] = await Promise.all([started(starts.lds), started(starts.grading), ...starts.cml.map(started)]);
    return { seed, ...viewOf({ lds, grading, cml }, passwordOf(options), closeAll) };
  } catch (error) {
    await closeAll();
    throw error;
  }
}

const passwordOf = ({ password = 'secret' }: WorldOptions): string => password;

interface Starts {
  lds: () => Promise<Site>;
  grading: () => Promise<Site>;
  cml: (() => Promise<Site>)[];
}

const hostSeeds = (cml: number | undefined, seed: string): string[] => Array.from({ length: cml ?? 1 }, (_, index) => `${seed}/cml-${index + 1}`);

function localStarts(options: WorldOptions, seed: string): Starts {
  const { scale = 1, eventsTo, eventMode = 'binary', eventDelayMs = 2_000 } = options;
  const script = readScript(options.script ?? {});
  const password = passwordOf(options);
  const events = { seed, password, timeScale: scale, eventMode, eventDelayMs, ...(eventsTo !== undefined && { eventsTo }) };
  const serve = async (simulator: { listen(): Promise<string>; close(): Promise<void> }): Promise<Site> => ({ url: await simulator.listen(), close: () => simulator.close() });
  return {
    lds: () => serve(createLdsSimulator({ ...events, rules: script.lds })),
    grading: () => serve(createGradingSimulator({ ...events, rules: script.grading })),
    cml: hostSeeds(options.cml, seed).map((hostSeed) => () => serve(createCmlSimulator({ ...options.cmlOptions, seed: hostSeed, password, timeScale: scale, bootDelayMs: parseDuration(options.bootDelay ?? '0s') }))),
  };
}

function processStarts(options: WorldOptions, seed: string): Starts {
  const { scale = 1, eventsTo, eventMode = 'binary', eventDelayMs = 2_000 } = options;
  const folder = mkdtempSync(join(tmpdir(), 'lablet-world-'));
  const script = join(folder, 'script.json');
  writeFileSync(script, JSON.stringify(options.script ?? {}));
  const environment = scale === 1 ? {} : { TIME_SCALE: String(scale), LABLET_DEV: '1' };
  const login = ['--password', passwordOf(options)];
  const scripted = [...login, '--seed', seed, '--script', script, '--event-mode', eventMode, '--event-delay', `${eventDelayMs}ms`, ...(eventsTo === undefined ? [] : ['--events-to', eventsTo])];
  const lds = async (): Promise<Site> => {
    const site = await startSimProcess('lds', scripted, environment);
    return { ...site, close: async () => site.close().finally(() => rmSync(folder, { recursive: true, force: true })) };
  };
  return {
    lds,
    grading: () => startSimProcess('grading', scripted, environment),
    cml: hostSeeds(options.cml, seed).map((hostSeed) => () => startSimProcess('cml', [...login, '--seed', hostSeed, '--boot-delay', options.bootDelay ?? '0s'], environment)),
  };
}

function viewOf({ lds, grading, cml }: { lds: Site | undefined; grading: Site | undefined; cml: Site[] }, password: string, close: () => Promise<void>): Omit<SimulatedWorld, 'seed'> {
  if (lds === undefined || grading === undefined) throw new Error('a simulator did not start');
  const onEachHost = <T>(path: string, schema: z.ZodType<T>): Promise<T[]> => Promise.all(cml.map((site) => ask(site, path, schema)));
  const sources = [lds, grading];
  return {
    cml, lds, close,
    grading: { ...grading, tokenUrl: `${grading.url}/oauth/token` },
    credentials: { username: 'admin', password },
    labsOnHosts: () => onEachHost('/sim/labs', z.array(simLab)),
    cmlCounters: () => onEachHost('/sim/counters', counters),
    portClashes: async () => (await onEachHost('/sim/ports', z.object({ clashesSeen: z.array(clash) }))).flatMap(({ clashesSeen }) => clashesSeen),
    ldsSessions: () => ask(lds, '/sim/sessions', z.array(ldsSession)),
    gradeCalls: async () =>
      (await ask(grading, '/sim/sessions', z.array(geSession))).flatMap(({ id, candidateId, parts }) =>
        parts.map((part) => ({ sessionId: id, candidateId, partId: part.id, status: part.status, gradeCalls: part.gradeCalls, runs: part.runs })),
      ),
    eventsSent: async () => (await Promise.all(sources.map((site) => ask(site, '/sim/events', z.array(sentEvent))))).flat(),
    setFault: (site, fault) => tell(site, 'POST', '/sim/fault', fault),
    loseLab: (host, labId) => tell(host, 'DELETE', `/sim/labs/${labId}`),
    sendEventsTo: async (url) => {
      await Promise.all(sources.map((site) => tell(site, 'PUT', '/sim/events-to', { url })));
    },
  };
}

async function ask<T>(site: Site, path: string, schema: z.ZodType<T>): Promise<T> {
  const response = await fetch(`${site.url}${path}`);
  return schema.parse(await response.json());
}

async function tell(site: Site, method: string, path: string, body?: unknown): Promise<void> {
  const response = await fetch(`${site.url}${path}`, { method, headers: { 'content-type': 'application/json' }, body: body === undefined ? null : JSON.stringify(body) });
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
}
