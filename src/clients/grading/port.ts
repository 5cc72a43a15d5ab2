import type { CallOptions } from '../call.ts';
import type { Secret } from '../secret.ts';

/** Points are integers. There is no cut score here: it is in the rule set. */
export interface GradingScore {
  readonly score: number;
  readonly maxScore: number;
  readonly sections: readonly { readonly id: string; readonly score: number; readonly maxScore: number }[];
}

export interface GradingPart {
  /** The form qualified name. */
  readonly id: string;
  /** A free string: decide by `score` being there, never by this. */
  readonly status: string;
  readonly statusReason: string;
  /** Id of the assigned pod, if any. */
  readonly podId: string | undefined;
  readonly score: GradingScore | undefined;
}

export interface GradingSessionView {
  readonly id: string;
  readonly status: string;
  readonly parts: readonly GradingPart[];
}

export interface GradingSessionRequest {
  /** Chosen by us, which makes creation idempotent. */
  readonly id: string;
  readonly candidateId: string;
  readonly lds?: { readonly id: string; readonly environment: string };
  /** Form qualified names. */
  readonly parts: readonly string[];
}

export interface GradingInterface {
  readonly name: string;
  /** "console" for a serial line, "vnc", "ssh", … */
  readonly protocol: string;
  readonly host: string;
  readonly port?: number;
  readonly authentication?: { readonly scheme: string; readonly properties: Secret<Readonly<Record<string, string>>> };
}

/** How the GradingEngine reaches the devices of a lab. */
export interface GradingPod {
  /** The session's uid. */
  readonly id: string;
  readonly devices: readonly {
    readonly label: string;
    readonly hostname: string;
    readonly collector: string;
    readonly interfaces: readonly GradingInterface[];
  }[];
}

/** The GradingEngine (contract §12.2). A part is named by its form qualified name. All calls throw ExternalError. */
export interface GradingPort {
  /** Creates the session, or gives the one that already has this id. */
  createSession(request: GradingSessionRequest, options: CallOptions): Promise<GradingSessionView>;
  session(sessionId: string, options: CallOptions): Promise<GradingSessionView>;
  /** Resolves too if the session has the part already. */
  addPart(sessionId: string, part: string, options: CallOptions): Promise<void>;
  /** Assigns the pod, or replaces the one that is assigned. */
  assignPod(sessionId: string, part: string, pod: GradingPod, options: CallOptions): Promise<void>;
  /** Resolves too if there is none. */
  deletePod(sessionId: string, part: string, options: CallOptions): Promise<void>;
  /** Asks for grading (202); the result comes as a CloudEvent and shows in `session`. Each call is a new grading. */
  grade(sessionId: string, part: string, options: CallOptions): Promise<void>;
  submit(sessionId: string, part: string, options: CallOptions): Promise<void>;
}
