import type { CallOptions } from '../call.ts';
import type { Secret } from '../secret.ts';

/** LDS's states (contract §2.3), without its prefix "SESSION_". */
export type LdsSessionState =
  | 'EMPTY'
  | 'PENDING'
  | 'PRELAUNCH'
  | 'RUNNING'
  | 'PAUSED'
  | 'USER_FINISHED'
  | 'ARCHIVING'
  | 'ARCHIVED'
  | 'UNKNOWN';

export interface LdsSession {
  readonly id: string;
  readonly state: LdsSessionState;
  readonly parts: readonly { readonly formQualifiedName: string; readonly state: string }[];
}

export interface LdsSessionRequest {
  /** Who asks: the name of this controller's installation. */
  readonly origin: string;
  /** Our id of the session; LDS stores it and does not compare it, so it is no idempotency key. */
  readonly authId: string;
  readonly candidate: { readonly id: string; readonly firstName: string; readonly lastName: string };
  /** When the session is to start, RFC 3339. */
  readonly scheduledAt: string;
  readonly formQualifiedName: string;
  readonly variables?: Readonly<Record<string, string>>;
}

export interface LdsDevice {
  /** Unique within the part. */
  readonly label: string;
  readonly protocol: 'telnet' | 'ssh' | 'vnc' | 'web';
  readonly host: string;
  readonly port?: number;
  readonly password?: Secret<string>;
}

/** The Lab Delivery System's Reservations API v3 (contract §12.1). All calls throw ExternalError. */
export interface LdsPort {
  /** Not idempotent and impossible to look up: write the intent first; after OutcomeUnknownError an orphan may be left. */
  createSession(request: LdsSessionRequest, options: CallOptions): Promise<{ readonly id: string }>;
  /** Replaces all devices of a part (numbered from 1). */
  setDevices(sessionId: string, part: number, devices: readonly LdsDevice[], options: CallOptions): Promise<void>;
  /** A signed URL: whoever has it is the candidate. It belongs in a Secret and nowhere else. */
  launchUrl(sessionId: string, options: CallOptions): Promise<Secret<string>>;
  session(sessionId: string, options: CallOptions): Promise<LdsSession>;
  /** Ends the session on the LDS side; resolves too if LDS does not know it any more. */
  release(sessionId: string, options: CallOptions): Promise<void>;
  /** Makes LDS fetch the content of a form again; done once for each new definition version. */
  refreshContent(formQualifiedName: string, options: CallOptions): Promise<{ readonly version: string }>;
}
