import { z } from 'zod';
import type { CallOptions } from '../call.ts';
import { isNotFound } from '../errors.ts';
import { HttpHost } from '../http.ts';
import type { HttpHostOptions } from '../http.ts';
import type { HttpCall } from '../http-call.ts';
import { Login, basicAuthorization } from '../login.ts';
import type { ReadCredentials } from '../login.ts';
import { Secret } from '../secret.ts';
import type { LdsDevice, LdsPort, LdsSession, LdsSessionRequest } from './port.ts';

export interface LdsClientOptions extends Omit<HttpHostOptions, 'system'> {
  readonly credentials: ReadCredentials;
  /** Replaces scheme, host and port of launch URLs. @default as LDS gives them */
  readonly frontendUrl?: string | undefined;
}

const STATES = ['EMPTY', 'PENDING', 'PRELAUNCH', 'RUNNING', 'PAUSED', 'USER_FINISHED', 'ARCHIVING', 'ARCHIVED'] as const;

const id = z.union([z.string().min(1), z.number().transform(String)]);
const created = z.object({ session_id: id });
const session = z
  .object({
    id,
    state: z
      .string()
      .transform((state) => state.replace(/^SESSION_/, ''))
      .pipe(z.union([z.enum(STATES), z.string().transform(() => 'UNKNOWN' as const)])),
    session_parts: z.array(z.object({ form_qualified_name: z.string(), session_part_state: z.string().nullish() })).nullish(),
  })
  .transform(
    (answer): LdsSession => ({
      id: answer.id,
      state: answer.state,
      parts: (answer.session_parts ?? []).map((part) => ({ formQualifiedName: part.form_qualified_name, state: part.session_part_state ?? '' })),
    }),
  );
const launch = z.object({ url: z.url() });
const refreshed = z.object({ Version: id });

const SESSION = '/reservations/v3/lab_session';

/** LdsPort over the Reservations API v3 with HTTP Basic (contract §12.1). */
export class LdsClient implements LdsPort {
  readonly #http: HttpHost;
  readonly #login: Login<string>;
  readonly #frontend: URL | undefined;

  constructor(options: LdsClientOptions) {
    this.#http = new HttpHost({ ...options, system: 'lds' });
    this.#frontend = options.frontendUrl === undefined ? undefined : new URL(options.frontendUrl);
    this.#login = new Login({
      credentials: options.credentials,
      obtain: async ({ username, password, ca }) => {
        this.#http.trust(ca);
        return basicAuthorization(username, password);
      },
    });
  }

  rest(): Promise<void> {
    return this.#http.close();
  }

  async close(): Promise<void> {
    this.#login.close();
    await this.#http.close();
  }

  async createSession(request: LdsSessionRequest, options: CallOptions): Promise<{ id: string }> {
    const json = {
      origin: request.origin,
      auth_id: request.authId,
      auth_id_type: 'ordered_session',
      candidate_id: request.candidate.id,
      location: 'cloud',
      timezone_offset: 0,
      first_name: request.candidate.firstName,
      last_name: request.candidate.lastName,
      rack_group: 'LCM',
      rack_number: 1,
      scheduled_date: request.scheduledAt,
      session_parts: [
        {
          repository_type: 'minio',
          form_qualified_name: request.formQualifiedName,
          ...(request.variables === undefined ? {} : { variables: request.variables }),
        },
      ],
    };
    const answer = await this.#authorised({ method: 'POST', path: SESSION, json }, options, (call) => this.#http.json(call, created));
    return { id: answer.session_id };
  }

  setDevices(sessionId: string, part: number, devices: readonly LdsDevice[], options: CallOptions): Promise<void> {
    const secrets = devices.flatMap((device) => (device.password === undefined ? [] : [device.password.reveal()]));
    const json = devices.map((device) => ({
      device_label: device.label,
      protocol: device.protocol,
      host: device.host,
      ...(device.port === undefined ? {} : { port: device.port }),
      ...(device.password === undefined ? {} : { password: device.password.reveal() }),
    }));
    const path = `${SESSION}/{id}/part/{part}/devices`;
    return this.#authorised({ method: 'PUT', path, params: { id: sessionId, part }, json, secrets }, options, (call) => this.#http.send(call));
  }

  async launchUrl(sessionId: string, options: CallOptions): Promise<Secret<string>> {
    const path = `${SESSION}/{id}/lablet_launch_url`;
    const answer = await this.#authorised({ method: 'GET', path, params: { id: sessionId } }, options, (call) => this.#http.json(call, launch));
    if (this.#frontend === undefined) return new Secret(answer.url);
    const url = new URL(answer.url);
    url.protocol = this.#frontend.protocol;
    url.host = this.#frontend.host;
    // Assigning a host without a port leaves the old port standing.
    url.port = this.#frontend.port;
    return new Secret(url.href);
  }

  session(sessionId: string, options: CallOptions): Promise<LdsSession> {
    return this.#authorised({ method: 'GET', path: `${SESSION}/{id}`, params: { id: sessionId } }, options, (call) => this.#http.json(call, session));
  }

  async release(sessionId: string, options: CallOptions): Promise<void> {
    try {
      // LDS answers 415 to a release without a body. Releasing twice does no harm.
      const request = { method: 'POST', path: `${SESSION}/{id}/release`, params: { id: sessionId }, json: {}, repeatable: true } as const;
      await this.#authorised(request, options, (call) => this.#http.send(call));
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }

  async refreshContent(formQualifiedName: string, options: CallOptions): Promise<{ version: string }> {
    const request = { method: 'PUT', path: '/reservations/v3/lab_folder/minio/{fqn}', params: { fqn: formQualifiedName } } as const;
    const answer = await this.#authorised(request, options, (call) => this.#http.json(call, refreshed));
    return { version: answer.Version };
  }

  #authorised<T>(request: Omit<HttpCall, 'signal' | 'headers'>, { signal }: CallOptions, send: (call: HttpCall) => Promise<T>): Promise<T> {
    return this.#login.run((authorization) => send({ ...request, headers: { authorization }, signal }), signal);
  }
}
