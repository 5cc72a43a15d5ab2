import type { ZodType } from 'zod';
import type { CallOptions, OnCall } from '../call.ts';
import { ExternalError, isNotFound } from '../errors.ts';
import { parseJson } from '../failures.ts';
import { HttpHost } from '../http.ts';
import type { HttpHostOptions } from '../http.ts';
import type { HttpCall } from '../http-call.ts';
import { Login } from '../login.ts';
import type { ReadCredentials } from '../login.ts';
import type { Secret } from '../secret.ts';
import * as answers from './answers.ts';
import type { CmlHealth, CmlLab, CmlLicensing, CmlNode, CmlPort, CmlStats, CmlSystemInformation, CmlTelemetryEvent, CmlTopology } from './port.ts';
import { compareCmlVersions } from '../../api/cml-version.ts';

const IMPORT_TIMEOUT_MS = 120_000;
/** It costs CML nothing; what takes longer is not up. */
const PROBE_TIMEOUT_MS = 10_000;
/** Half of a host's slots, so that a look through all labs leaves room for the calls that sessions wait for. */
const LISTING_CONCURRENCY = 4;

export interface CmlClientOptions extends Omit<HttpHostOptions, 'system'> {
  readonly credentials: ReadCredentials;
  readonly onCall?: OnCall;
}

interface Identity {
  readonly token: string;
  /** Undefined if the host does not tell; labs are then ours by the user name. */
  readonly userId: string | undefined;
  readonly username: string;
}

type Request = Omit<HttpCall, 'signal' | 'headers'>;

/** CmlPort over CML's REST API (contract §13.1). */
export class CmlClient implements CmlPort {
  readonly #http: HttpHost;
  readonly #credentials: ReadCredentials;
  readonly #login: Login<Identity>;

  constructor(options: CmlClientOptions) {
    this.#http = new HttpHost({ ...options, system: 'cml', endpoint: `${options.endpoint.replace(/\/+$/, '')}/api/v0` });
    this.#credentials = async (how) => {
      const credentials = await options.credentials(how);
      this.#http.trust(credentials.ca);
      return credentials;
    };
    this.#login = new Login({ credentials: this.#credentials, obtain: (credentials, signal) => this.#authenticate(credentials, signal) });
  }

  /** Closes idle connections; the client stays usable. */
  rest(): Promise<void> {
    return this.#http.close();
  }

  async close(): Promise<void> {
    this.#login.close();
    await this.#http.close();
  }

  async systemInformation(options: CallOptions): Promise<CmlSystemInformation> {
    await this.#credentials({ signal: options.signal, fresh: false });
    return this.#http.json({ method: 'GET', path: '/system_information', signal: options.signal, probe: true, timeoutMs: PROBE_TIMEOUT_MS }, answers.systemInformation);
  }

  async checkLogin(options: CallOptions): Promise<void> {
    const { version } = await this.systemInformation(options);
    const path = compareCmlVersions(version, '2.10.0') < 0 ? '/authok' : '/authentication';
    await this.#send({ method: 'GET', path }, options);
  }

  health(options: CallOptions): Promise<CmlHealth> {
    return this.#json({ method: 'GET', path: '/system_health' }, answers.health, options);
  }

  stats(options: CallOptions): Promise<CmlStats> {
    return this.#json({ method: 'GET', path: '/system_stats' }, answers.stats, options);
  }

  licensing(options: CallOptions): Promise<CmlLicensing> {
    return this.#json({ method: 'GET', path: '/licensing' }, answers.licensing, options);
  }

  nodeDefinitions(options: CallOptions): Promise<readonly { id: string; images: readonly string[] }[]> {
    return this.#json({ method: 'GET', path: '/simplified_node_definitions' }, answers.nodeDefinitions, options);
  }

  labIds(options: CallOptions): Promise<readonly string[]> {
    return this.#json({ method: 'GET', path: '/labs', query: { show_all: true } }, answers.bareIds, options);
  }

  async listLabs(options: CallOptions): Promise<readonly CmlLab[]> {
    return this.#readLabs(new Set(), options);
  }

  async findLabsByTitle(title: string, options: CallOptions & { readonly except?: ReadonlySet<string> }): Promise<readonly CmlLab[]> {
    const labs = await this.#readLabs(options.except ?? new Set(), options);
    return labs.filter((lab) => lab.title === title && lab.ownedByUs).sort((a, b) => (a.created < b.created ? -1 : 1));
  }

  lab(labId: string, options: CallOptions): Promise<CmlLab> {
    return this.#login.run(async (identity) => {
      const { lab, ownerName } = await this.#http.json(this.#authorised({ method: 'GET', path: '/labs/{id}', params: { id: labId } }, identity, options), answers.lab);
      return { ...lab, ownedByUs: lab.owner === identity.userId || ownerName === identity.username || lab.owner === identity.username };
    }, options.signal);
  }

  importLab(title: string, yaml: string, options: CallOptions): Promise<{ id: string; warnings: readonly string[] }> {
    const request: Request = { method: 'POST', path: '/import', query: { title }, text: yaml, timeoutMs: IMPORT_TIMEOUT_MS };
    return this.#json(request, answers.imported, options);
  }

  startLab(labId: string, options: CallOptions): Promise<void> {
    return this.#send({ method: 'PUT', path: '/labs/{id}/start', params: { id: labId } }, options);
  }

  stopLab(labId: string, options: CallOptions): Promise<void> {
    return this.#send({ method: 'PUT', path: '/labs/{id}/stop', params: { id: labId } }, options);
  }

  wipeLab(labId: string, options: CallOptions): Promise<void> {
    return this.#send({ method: 'PUT', path: '/labs/{id}/wipe', params: { id: labId } }, options);
  }

  async deleteLab(labId: string, options: CallOptions): Promise<void> {
    try {
      await this.#send({ method: 'DELETE', path: '/labs/{id}', params: { id: labId } }, options);
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }

  converged(labId: string, options: CallOptions): Promise<boolean> {
    return this.#json({ method: 'GET', path: '/labs/{id}/check_if_converged', params: { id: labId } }, answers.bareBoolean, options);
  }

  nodes(labId: string, options: CallOptions): Promise<readonly CmlNode[]> {
    const query = { data: true, operational: true, exclude_configurations: true };
    return this.#json({ method: 'GET', path: '/labs/{id}/nodes', params: { id: labId }, query }, answers.nodes, options);
  }

  setTags(labId: string, nodeId: string, tags: readonly string[], options: CallOptions): Promise<void> {
    const params = { id: labId, node: nodeId };
    return this.#send({ method: 'PATCH', path: '/labs/{id}/nodes/{node}', params, json: { tags }, repeatable: true }, options);
  }

  extractConfiguration(labId: string, nodeId: string, options: CallOptions): Promise<void> {
    return this.#send({ method: 'PUT', path: '/labs/{id}/nodes/{node}/extract_configuration', params: { id: labId, node: nodeId } }, options);
  }

  async consoleLog(labId: string, nodeId: string, line: number, options: CallOptions & { readonly lines?: number }): Promise<string> {
    const params = { id: labId, node: nodeId, console: line };
    const query = options.lines === undefined ? {} : { lines: options.lines };
    const request: Request = { method: 'GET', path: '/labs/{id}/nodes/{node}/consoles/{console}/log', params, query };
    const body = await this.#login.run((identity) => this.#http.text(this.#authorised(request, identity, options)), options.signal);
    // A JSON string in some versions, plain text in others.
    const json = parseJson(body);
    return typeof json === 'string' ? json : body;
  }

  topology(labId: string, options: CallOptions & { readonly includeConfigurations: boolean }): Promise<CmlTopology> {
    const query = { exclude_configurations: !options.includeConfigurations };
    return this.#json({ method: 'GET', path: '/labs/{id}/topology', params: { id: labId }, query }, answers.topology, options);
  }

  setLicenceProduct(product: string, options: CallOptions): Promise<void> {
    return this.#send({ method: 'PUT', path: '/licensing/product_license', json: product }, options);
  }

  registerLicence(token: Secret<string>, options: CallOptions): Promise<void> {
    const value = token.reveal();
    return this.#send({ method: 'POST', path: '/licensing/registration', json: { token: value, reregister: false }, secrets: [value] }, options);
  }

  async deregisterLicence(options: CallOptions): Promise<void> {
    try {
      await this.#send({ method: 'DELETE', path: '/licensing/deregistration' }, options);
    } catch (error) {
      // 400: it was not registered (contract §7).
      if (!(error instanceof ExternalError && error.status === 400)) throw error;
    }
  }

  telemetryEvents(options: CallOptions): Promise<readonly CmlTelemetryEvent[]> {
    return this.#json({ method: 'GET', path: '/telemetry/events' }, answers.telemetryEvents, options);
  }

  /** All labs but those in `except`, each read on its own: the list gives ids only. */
  async #readLabs(except: ReadonlySet<string>, options: CallOptions): Promise<CmlLab[]> {
    const ids = await this.labIds(options);
    const wanted = ids.filter((id) => !except.has(id)).values();
    const labs: CmlLab[] = [];
    const readOn = async (): Promise<void> => {
      for (const id of wanted) {
        try {
          labs.push(await this.lab(id, options));
        } catch (error) {
          // Deleted since the list was made.
          if (!isNotFound(error)) throw error;
        }
      }
    };
    await Promise.all(Array.from({ length: LISTING_CONCURRENCY }, readOn));
    return labs;
  }

  async #authenticate({ username, password }: { username: string; password: string }, signal: AbortSignal): Promise<Identity> {
    const login = { method: 'POST', json: { username, password }, effect: false, repeatable: true, secrets: [password], signal } as const;
    try {
      const { id, token } = await this.#http.json({ ...login, path: '/auth_extended' }, answers.authentication);
      return { token, userId: id, username };
    } catch (error) {
      if (!isNotFound(error)) throw error;
      return { token: await this.#http.json({ ...login, path: '/authenticate' }, answers.bareString), userId: undefined, username };
    }
  }

  #json<T>(request: Request, schema: ZodType<T>, options: CallOptions): Promise<T> {
    return this.#login.run((identity) => this.#http.json(this.#authorised(request, identity, options), schema), options.signal);
  }

  #send(request: Request, options: CallOptions): Promise<void> {
    return this.#login.run((identity) => this.#http.send(this.#authorised(request, identity, options)), options.signal);
  }

  #authorised(request: Request, identity: Identity, options: CallOptions): HttpCall {
    return { ...request, headers: { authorization: `Bearer ${identity.token}` }, signal: options.signal };
  }
}
