/** Client tokens as AWS keeps them: the same token with the same parameters is the same reservation, with others it is refused. */
import { createHash } from 'node:crypto';

interface Kept {
  readonly parameters: string;
  /** Settles with the first answer; whoever asks meanwhile waits for it. */
  readonly answer: Promise<string>;
}

/** The token was used with other parameters. */
export class ParameterMismatch extends Error {
  constructor() {
    super('The client token you have provided is associated with a resource that has different parameters.');
    this.name = 'ParameterMismatch';
  }
}

export class ClientTokens {
  readonly #kept = new Map<string, Kept>();

  /**
   * The answer that the token had before, else the one that `launch` gives, which is kept if it succeeds: a launch that
   * was refused uses up no token.
   * @throws ParameterMismatch; whatever `launch` throws
   */
  async once(form: URLSearchParams, launch: () => Promise<string>): Promise<string> {
    const token = form.get('ClientToken');
    if (token === null || token === '') return launch();
    const parameters = hashOf(form);
    const known = this.#kept.get(token);
    if (known) {
      if (known.parameters !== parameters) throw new ParameterMismatch();
      return known.answer;
    }
    const answer = launch();
    this.#kept.set(token, { parameters, answer });
    answer.catch(() => this.#kept.delete(token));
    return answer;
  }

  clear(): void {
    this.#kept.clear();
  }
}

function hashOf(form: URLSearchParams): string {
  const entries = [...form].filter(([name]) => name !== 'ClientToken').map(([name, value]) => `${name}=${value}`).sort();
  return createHash('sha256').update(entries.join('\n')).digest('hex');
}
