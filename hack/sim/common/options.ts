import { randomUUID } from 'node:crypto';
import type { FaultSwitch } from './faults.ts';

/** Options that every simulator understands. */
export interface SimulatorOptions {
  /**
   * Feeds every random choice: the same seed and the same calls give the same world, down to its ids.
   * Two simulators of a kind need two seeds. Default: a new one each time.
   */
  seed?: string;
  /** Faults that are armed from the start. */
  faults?: readonly FaultSwitch[];
  /** How long a delayed answer waits, real milliseconds. Without a `latency` fault every answer waits. Default 0. */
  latencyMs?: number;
  /** Login, default admin. */
  user?: string;
  /** Default secret. */
  password?: string;
  /** Boot delays and scripted delays are divided by this; default 1. Network delays and token lifetimes stay real. */
  timeScale?: number;
  /** PEM texts; with them the simulator speaks https. */
  tls?: { cert: string; key: string };
  /** Port to listen on, default 0 (any free one). */
  port?: number;
  /** Address to listen on, default 127.0.0.1. */
  host?: string;
  /** Current time in ms since the epoch; default Date.now. */
  now?: () => number;
  /** Receives a line for whatever deserves attention, such as a call that is not simulated. Default: silent. */
  log?: (message: string, fields?: Record<string, unknown>) => void;
}

export type ResolvedOptions = Required<Omit<SimulatorOptions, 'tls'>> & Pick<SimulatorOptions, 'tls'>;

/** Fills in the defaults. */
export function resolveOptions(options: SimulatorOptions): ResolvedOptions {
  return {
    seed: options.seed ?? randomUUID(),
    faults: options.faults ?? [],
    latencyMs: options.latencyMs ?? 0,
    user: options.user ?? 'admin',
    password: options.password ?? 'secret',
    timeScale: options.timeScale ?? 1,
    port: options.port ?? 0,
    host: options.host ?? '127.0.0.1',
    now: options.now ?? Date.now,
    log: options.log ?? (() => undefined),
    ...(options.tls && { tls: options.tls }),
  };
}
