import { z } from 'zod';

const UNITS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 } as const;

/**
 * Milliseconds of a duration such as `250ms`, `3s`, `1.5m` or `1h30m`.
 *
 * @throws RangeError when the text is no duration.
 */
export function parseDuration(text: string): number {
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g)];
  if (parts.length === 0 || parts.map(([part]) => part).join('') !== text) {
    if (text === '0') return 0;
    throw new RangeError(`"${text}" is not a duration; write for example 250ms, 3s or 1h30m`);
  }
  return parts.reduce((sum, [, amount, unit]) => sum + Number(amount) * UNITS[unit as keyof typeof UNITS], 0);
}

/** A duration in a script or an option: text with a unit in, milliseconds out. */
export const duration = z.string().transform((text, context) => {
  try {
    return parseDuration(text);
  } catch (error) {
    context.issues.push({ code: 'custom', input: text, message: error instanceof Error ? error.message : String(error) });
    return z.NEVER;
  }
});

/**
 * The factor by which the simulators' own delays are divided.
 *
 * @throws Error when TIME_SCALE is set outside of development (LABLET_DEV=1) or is not a number above 0.
 */
export function timeScaleOf(environment: NodeJS.ProcessEnv): number {
  const text = environment['TIME_SCALE'];
  if (text === undefined || text === '') return 1;
  if (environment['LABLET_DEV'] !== '1') throw new Error('TIME_SCALE is for development only: set LABLET_DEV=1 as well, or unset it');
  const scale = Number(text);
  if (!Number.isFinite(scale) || scale <= 0) throw new Error(`TIME_SCALE="${text}" must be a number above 0, for example 60`);
  return scale;
}

/** Delayed actions of one simulator, all cancelled together when it closes. */
export class Timers {
  readonly #pending = new Set<NodeJS.Timeout>();
  readonly #scale: number;

  /** @param scale delays are divided by this factor, default 1 */
  constructor(scale = 1) {
    this.#scale = scale;
  }

  /** Runs `action` once, `delayMs` simulated milliseconds from now. Returns a function that cancels it. */
  after(delayMs: number, action: () => void): () => void {
    const timer = setTimeout(() => {
      this.#pending.delete(timer);
      action();
    }, delayMs / this.#scale);
    this.#pending.add(timer);
    return () => {
      clearTimeout(timer);
      this.#pending.delete(timer);
    };
  }

  /** Cancels everything that has not happened yet. */
  clear(): void {
    for (const timer of this.#pending) clearTimeout(timer);
    this.#pending.clear();
  }
}
