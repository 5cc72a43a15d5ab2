import { orAbort } from './abort.ts';
import { ExternalError } from './errors.ts';
import type { Credentials } from './factory-port.ts';

/** Reads one Secret; see CredentialsProvider for `fresh`. */
export type ReadCredentials = (options: { readonly signal: AbortSignal; readonly fresh: boolean }) => Promise<Credentials>;

export interface LoginOptions<A> {
  readonly credentials: ReadCredentials;
  /** Trades credentials for what authorises calls: a token, or the credentials in another form. */
  readonly obtain: (credentials: Credentials, signal: AbortSignal) => Promise<A>;
  /** True once the authorisation is too old to begin a call with. @default never */
  readonly expired?: (authorisation: A) => boolean;
}

interface Entry<A> {
  readonly credentials: Credentials;
  readonly authorisation: A;
}

/**
 * One login shared by all calls to a host. It is made when first needed, once for however many callers wait for
 * it, and made anew when it has expired, when the Secret has changed, and once when the host refuses it (401).
 */
export class Login<A> {
  readonly #options: LoginOptions<A>;
  /** The login is everybody's: it ends with the client, not with the call that happened to need it first. */
  readonly #lifetime = new AbortController();
  #current: Promise<Entry<A>> | undefined;
  #settled: Entry<A> | undefined;

  constructor(options: LoginOptions<A>) {
    this.#options = options;
  }

  /** Makes a call with a valid authorisation. A 401 means that nothing was done, so even an effect may be repeated after it. */
  async run<R>(call: (authorisation: A) => Promise<R>, signal: AbortSignal): Promise<R> {
    const entry = await this.#entry(signal);
    try {
      return await call(entry.authorisation);
    } catch (error) {
      if (!(error instanceof ExternalError && error.status === 401)) throw error;
      if (this.#settled === entry) void this.#begin(true);
      return await call((await this.#entry(signal)).authorisation);
    }
  }

  close(): void {
    this.#lifetime.abort(new DOMException('the client was closed', 'AbortError'));
  }

  async #entry(signal: AbortSignal): Promise<Entry<A>> {
    const entry = await orAbort(this.#current ?? this.#begin(false), signal);
    const now = await this.#options.credentials({ signal, fresh: false });
    const usable = sameCredentials(entry.credentials, now) && this.#options.expired?.(entry.authorisation) !== true;
    if (usable) return entry;
    return orAbort(this.#settled === entry || this.#current === undefined ? this.#begin(false) : this.#current, signal);
  }

  #begin(fresh: boolean): Promise<Entry<A>> {
    const signal = this.#lifetime.signal;
    const made = (async () => {
      const credentials = await this.#options.credentials({ signal, fresh });
      return { credentials, authorisation: await this.#options.obtain(credentials, signal) };
    })();
    this.#current = made;
    this.#settled = undefined;
    made.then(
      (entry) => {
        if (this.#current === made) this.#settled = entry;
      },
      // A failed login is not kept: the next call tries again.
      () => {
        if (this.#current === made) this.#current = undefined;
      },
    );
    return made;
  }
}

function sameCredentials(a: Credentials, b: Credentials): boolean {
  return a.username === b.username && a.password === b.password && a.ca === b.ca;
}

/** The Authorization header of HTTP Basic (RFC 7617). */
export function basicAuthorization(username: string, password: string): string {
  return `Basic ${Buffer.from(`${username}:${password}`, 'utf8').toString('base64')}`;
}
