/** The licence of a CML host (contract §7): registered with the token of the template's Secret, given back before the host goes. */
import { ANNOTATIONS } from '../../api/group.ts';
import { ExternalError } from '../../clients/errors.ts';
import { Secret } from '../../clients/secret.ts';
import { sha256Hex } from '../../core/canonical.ts';
import { isAdopted } from '../../core/worker-situation.ts';
import { effectSignal } from '../deps.ts';
import { MissingSecretError } from '../secrets.ts';
import { cmlOf } from './cml.ts';
import { licenseKept } from './notices.ts';
import type { Worker, WorkerTemplateSpec } from '../../api/worker.ts';
import type { CmlPort } from '../../clients/cml/port.ts';
import type { Probe, Registration } from '../../core/worker-world.ts';
import type { PassContext } from '../../runtime/pass.ts';
import type { Deps } from '../deps.ts';

const TOKEN = /^[A-Za-z0-9+/%=-]{1,256}$/;
/** CML's own times, hence real: a registration is complete within 90 s, or it is tried again. */
const REGISTRATION_MS = 90_000;
const PAUSE_MS = 5_000;
/** Tries to give a licence back before the host goes with it. */
const RELEASE_TRIES = 6;

interface Tried {
  at: number;
  token: string;
  came: Registration;
}

export class Licenses {
  private readonly deps: Deps;
  private readonly tried = new Map<string, Tried>();
  private readonly releases = new Map<string, { times: number; notBefore: number; done: boolean }>();

  constructor(deps: Deps) {
    this.deps = deps;
  }

  /** Registers the host if it is not registered and the template has a token for it. Undefined: there is nothing to do. */
  async register(worker: Worker, seen: Probe | undefined, pass: PassContext): Promise<Registration | undefined> {
    const template = this.deps.caches.templates.get(worker.spec.templateName)?.spec;
    const phase = worker.status?.phase;
    if (seen?.state !== 'ready' || template?.licenseTokenSecretRef === undefined || (phase !== 'Starting' && phase !== 'Running')) return undefined;
    const { registration, authorization } = seen.license;
    if (registration === 'COMPLETED' && authorization === 'IN_COMPLIANCE') {
      this.tried.delete(worker.metadata.uid);
      return undefined;
    }
    const cml = cmlOf(this.deps, worker);
    if (!cml) return undefined;
    try {
      const token = await this.deps.secrets.value(this.deps.settings.namespace, template.licenseTokenSecretRef, 'token', { signal: pass.signal });
      return await this.registerWith(token.trim(), worker, template, cml, seen.license, pass);
    } catch (error) {
      if (error instanceof MissingSecretError) return { reason: 'TokenMissing', message: `${error.message}.` };
      throw error;
    }
  }

  private async registerWith(token: string, worker: Worker, template: WorkerTemplateSpec, cml: CmlPort, now: { registration: string; product: string }, pass: PassContext): Promise<Registration> {
    const { clock } = this.deps;
    const fingerprint = sha256Hex(token);
    const before = this.tried.get(worker.metadata.uid);
    const age = before ? clock.monotonic() - before.at : Infinity;
    const sameToken = before?.token === fingerprint;
    if (before && sameToken && (before.came.reason === 'TokenRefused' || age < PAUSE_MS)) return before.came;
    if (now.registration === 'IN_PROGRESS' && age < REGISTRATION_MS && before) return before.came;
    const came = TOKEN.test(token) ? await ask(cml, new Secret(token), template.licenseType, now, { signal: effectSignal(this.deps, pass.signal) }) : refused('the token of the Secret is not of the form of a licence token');
    const late = came.reason === 'Registering' && before?.came.reason === 'Registering' && sameToken && age >= REGISTRATION_MS;
    const told: Registration = late ? { reason: 'RegistrationTimeout', message: `CML did not complete the registration within ${REGISTRATION_MS / 1000} s; it is tried again.` } : came;
    this.tried.set(worker.metadata.uid, { at: clock.monotonic(), token: fingerprint, came: told });
    return told;
  }

  /**
   * Gives the licence of a worker that goes back, so that it can serve another host.
   * @param reachable does its machine still run?
   * @returns true once it is given back, was not ours to give, or the tries are used up
   */
  async release(worker: Worker, reachable: boolean, pass: PassContext): Promise<boolean> {
    const { metadata, status } = worker;
    if (status?.phase !== 'Terminating' && status?.phase !== 'Failed') return true;
    const template = this.deps.caches.templates.get(worker.spec.templateName)?.spec;
    const ours = status.license?.registeredByUs === true || (worker.spec.provider === 'ec2' && !isAdopted(worker) && template?.licenseTokenSecretRef !== undefined);
    const cml = cmlOf(this.deps, worker);
    const entry = this.releases.get(metadata.uid) ?? { times: 0, notBefore: 0, done: false };
    if (entry.done || !ours || status.license === undefined || !reachable || !cml) return true;
    if (entry.notBefore > this.deps.clock.monotonic()) return false;
    this.releases.set(metadata.uid, entry);
    try {
      await cml.deregisterLicence({ signal: effectSignal(this.deps, pass.signal) });
      entry.done = true;
      pass.log.info({ worker: metadata.name }, 'the licence was given back');
    } catch (error) {
      if (pass.signal.aborted || !(error instanceof ExternalError || error instanceof MissingSecretError)) throw error;
      entry.times += 1;
      entry.notBefore = this.deps.clock.monotonic() + PAUSE_MS;
      entry.done = entry.times >= RELEASE_TRIES || metadata.annotations?.[ANNOTATIONS.forceTerminate] !== undefined;
      if (entry.done) this.deps.events.record(licenseKept(worker, error.message));
    }
    return entry.done;
  }

  /** In how many milliseconds a release that failed is tried again; undefined: none waits. */
  releaseDueIn({ metadata }: Worker): number | undefined {
    const entry = this.releases.get(metadata.uid);
    return !entry || entry.done ? undefined : Math.max(0, entry.notBefore - this.deps.clock.monotonic());
  }

  forget(uid: string): void {
    this.tried.delete(uid);
    this.releases.delete(uid);
  }
}

const refused = (why: string): Registration => ({ reason: 'TokenRefused', message: `CML does not accept the licence token: ${why}. Correct the Secret of licenseTokenSecretRef.` });

async function ask(cml: CmlPort, token: Secret<string>, type: string, now: { registration: string; product: string }, call: { signal: AbortSignal }): Promise<Registration> {
  try {
    const product = `CML_${type}`;
    if (now.product !== product) await cml.setLicenceProduct(product, call);
    await cml.registerLicence(token, call);
    return { reason: 'Registering', message: 'The licence is being registered.' };
  } catch (error) {
    if (!(error instanceof ExternalError) || call.signal.aborted) throw error;
    if (error.kind === 'badRequest') return refused(error.description ?? 'bad request');
    if (error.kind === 'conflict') return { reason: 'RegistrationBusy', message: 'CML is busy with an earlier licence request.' };
    return { reason: 'RegistrationFailed', message: `${error.message}. It is tried again.` };
  }
}
