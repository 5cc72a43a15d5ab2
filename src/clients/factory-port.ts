import type { CmlPort } from './cml/port.ts';
import type { GradingPort } from './grading/port.ts';
import type { LdsPort } from './lds/port.ts';

/** A user name and a password from a Secret, with the CA (PEM) that signed the host's certificate, if it is a private one. */
export interface Credentials {
  readonly username: string;
  readonly password: string;
  readonly ca?: string | undefined;
}

/**
 * Reads the Secret behind a key. It is asked before every call, so it should keep its answer for a while (30 s);
 * `fresh` asks it not to: the other side has just refused what it gave last.
 */
export type CredentialsProvider = (key: string, options: { readonly signal: AbortSignal; readonly fresh: boolean }) => Promise<Credentials>;

export interface CmlTarget {
  /** The Worker's name, for messages. */
  readonly name: string;
  /** "https://cml-01.example.org", without the API's path. */
  readonly endpoint: string;
  readonly credentialsKey: string;
}

export interface LdsTarget {
  readonly endpoint: string;
  readonly credentialsKey: string;
  /** Replaces scheme, host and port of launch URLs, where candidates reach LDS under another name. */
  readonly frontendUrl?: string;
}

export interface GradingTarget {
  readonly endpoint: string;
  /** OAuth2 token endpoint; the Secret's username and password are the client id and client secret. */
  readonly tokenUrl: string;
  readonly credentialsKey: string;
}

/** Gives the client of a target. Clients are kept (connections, login, circuit breaker) and closed when unused for a while. */
export interface ClientFactory {
  cml(target: CmlTarget): CmlPort;
  lds(target: LdsTarget): LdsPort;
  grading(target: GradingTarget): GradingPort;
  /** Closes all connections once the calls in flight, which their signals end, have ended. */
  close(): Promise<void>;
}
