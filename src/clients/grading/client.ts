import { z } from 'zod';
import type { CallOptions } from '../call.ts';
import { ExternalError, isNotFound } from '../errors.ts';
import { HttpHost, parseEndpoint } from '../http.ts';
import type { HttpHostOptions } from '../http.ts';
import type { HttpCall } from '../http-call.ts';
import { Login } from '../login.ts';
import type { ReadCredentials } from '../login.ts';
import type { GradingPod, GradingPort, GradingSessionRequest, GradingSessionView } from './port.ts';
import { requestToken } from './token.ts';
import type { AccessToken } from './token.ts';

export interface GradingClientOptions extends Omit<HttpHostOptions, 'system'> {
  readonly tokenUrl: string;
  /** The user name and password are the client id and client secret. */
  readonly credentials: ReadCredentials;
  /** Milliseconds since 1970. @default Date.now */
  readonly now?: () => number;
}

const text = z.string().nullish().transform((value) => value ?? '');
const points = z.number().int();
const score = z.object({
  score: points,
  maxScore: points,
  sections: z.array(z.object({ id: z.string(), score: points, maxScore: points })).nullish().transform((value) => value ?? []),
});
const part = z
  .object({ id: z.string().min(1), status: text, statusReason: text, pod: z.object({ id: z.string() }).nullish(), scoreReport: score.nullish() })
  .transform(({ pod, scoreReport, ...rest }) => ({ ...rest, podId: pod?.id, score: scoreReport ?? undefined }));
const session = z
  .object({ id: z.string().min(1), status: text, parts: z.array(part).nullish().transform((value) => value ?? []) })
  .transform((answer): GradingSessionView => answer);

const SESSIONS = '/api/v1/sessions';
const PART = `${SESSIONS}/{id}/parts/{part}`;

/** GradingPort over the GradingEngine's API v1 (contract §12.2) with an OAuth2 bearer token. */
export class GradingClient implements GradingPort {
  readonly #http: HttpHost;
  readonly #tokens: HttpHost;
  readonly #login: Login<AccessToken>;

  constructor(options: GradingClientOptions) {
    const now = options.now ?? Date.now;
    this.#http = new HttpHost({ ...options, system: 'grading' });
    const tokenUrl = parseEndpoint(options.tokenUrl);
    this.#tokens = new HttpHost({ ...options, system: 'grading', endpoint: tokenUrl.origin });
    this.#login = new Login({
      credentials: options.credentials,
      obtain: (credentials, signal) => {
        this.#http.trust(credentials.ca);
        this.#tokens.trust(credentials.ca);
        return requestToken(this.#tokens, { path: tokenUrl.pathname, credentials, signal, now });
      },
      expired: (token) => now() >= token.usableUntil,
    });
  }

  async rest(): Promise<void> {
    await Promise.all([this.#http.close(), this.#tokens.close()]);
  }

  async close(): Promise<void> {
    this.#login.close();
    await this.rest();
  }

  async createSession(request: GradingSessionRequest, options: CallOptions): Promise<GradingSessionView> {
    const { parts, ...rest } = request;
    const json = { ...rest, parts: parts.map((id) => ({ id })) };
    try {
      return await this.#json({ method: 'POST', path: SESSIONS, json }, options);
    } catch (error) {
      if (!isConflict(error)) throw error;
      // The id is ours, so the session that is in the way is the one that an earlier attempt made.
      return this.session(request.id, options);
    }
  }

  session(sessionId: string, options: CallOptions): Promise<GradingSessionView> {
    return this.#json({ method: 'GET', path: `${SESSIONS}/{id}`, params: { id: sessionId } }, options);
  }

  async addPart(sessionId: string, partId: string, options: CallOptions): Promise<void> {
    try {
      await this.#send({ method: 'POST', path: `${SESSIONS}/parts`, json: { sessionId, part: { id: partId } } }, options);
    } catch (error) {
      if (!isConflict(error)) throw error;
    }
  }

  async assignPod(sessionId: string, partId: string, pod: GradingPod, options: CallOptions): Promise<void> {
    const request = { path: `${PART}/pod`, params: { id: sessionId, part: partId }, json: podBody(pod), secrets: podSecrets(pod) };
    try {
      await this.#send({ ...request, method: 'POST' }, options);
    } catch (error) {
      if (!isConflict(error)) throw error;
      await this.#send({ ...request, method: 'PUT' }, options);
    }
  }

  async deletePod(sessionId: string, partId: string, options: CallOptions): Promise<void> {
    try {
      await this.#send({ method: 'DELETE', path: `${PART}/pod`, params: { id: sessionId, part: partId } }, options);
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }

  grade(sessionId: string, partId: string, options: CallOptions): Promise<void> {
    return this.#send({ method: 'POST', path: `${PART}/grade`, params: { id: sessionId, part: partId } }, options);
  }

  submit(sessionId: string, partId: string, options: CallOptions): Promise<void> {
    return this.#send({ method: 'POST', path: `${PART}/submit`, params: { id: sessionId, part: partId } }, options);
  }

  #json(request: Omit<HttpCall, 'signal' | 'headers'>, { signal }: CallOptions): Promise<GradingSessionView> {
    return this.#login.run((token) => this.#http.json(authorised(request, token, signal), session), signal);
  }

  #send(request: Omit<HttpCall, 'signal' | 'headers'>, { signal }: CallOptions): Promise<void> {
    return this.#login.run((token) => this.#http.send(authorised(request, token, signal)), signal);
  }
}

function isConflict(error: unknown): boolean {
  return error instanceof ExternalError && error.kind === 'conflict';
}

function authorised(request: Omit<HttpCall, 'signal' | 'headers'>, token: AccessToken, signal: AbortSignal): HttpCall {
  return { ...request, headers: { authorization: `Bearer ${token.value}` }, signal };
}

/** The pod as the GradingEngine takes it, with the authentication properties in the clear: for the request body only. */
function podBody(pod: GradingPod): unknown {
  const devices = pod.devices.map((device) => ({
    ...device,
    interfaces: device.interfaces.map(({ authentication, ...rest }) => ({
      ...rest,
      ...(authentication === undefined ? {} : { authentication: { scheme: authentication.scheme, properties: authentication.properties.reveal() } }),
    })),
  }));
  return { id: pod.id, devices };
}

function podSecrets(pod: GradingPod): string[] {
  return pod.devices.flatMap((device) => device.interfaces.flatMap(({ authentication }) => Object.values(authentication?.properties.reveal() ?? {})));
}
