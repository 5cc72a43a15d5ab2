import { inspect } from 'node:util';

const REDACTED = '[redacted]';

/**
 * A value that must not be seen: a launch URL, a licence token. Whatever prints it (template strings, JSON,
 * console, a logger) shows "[redacted]"; only `reveal()` gives the value, so each use can be found by name.
 */
export class Secret<T> {
  readonly #value: T;

  constructor(value: T) {
    this.#value = value;
  }

  reveal(): T {
    return this.#value;
  }

  toString(): string {
    return REDACTED;
  }

  toJSON(): string {
    return REDACTED;
  }

  [inspect.custom](): string {
    return REDACTED;
  }
}
