import { ExternalError } from '../errors.ts';
import { TAG } from './port.ts';
import type { Instance, LaunchRequest, Selection, WorkerProvider } from './port.ts';

/**
 * Hosts that exist already, each a given CML URL, by worker uid. They are always running as far as anybody can tell
 * without asking their CML; nothing is ever done to them.
 */
export class StaticProvider implements WorkerProvider {
  readonly ownsMachines = false;
  readonly #hosts: ReadonlyMap<string, string>;

  /** @param hosts URL of the CML by uid of the worker */
  constructor(hosts: ReadonlyMap<string, string>) {
    this.#hosts = hosts;
  }

  ensureInstance({ workerUid }: LaunchRequest): Promise<Instance> {
    const found = this.#instances().find(({ tags }) => tags[TAG.workerUid] === workerUid);
    if (found) return Promise.resolve(found);
    return Promise.reject(new ExternalError({ system: 'cml', host: 'static', call: 'ensureInstance', kind: 'badRequest', description: 'a static worker needs spec.endpoint, the URL of its CML' }));
  }

  describe(which: Selection): Promise<readonly Instance[]> {
    const matches = ({ id, tags }: Instance): boolean => ('ids' in which ? which.ids.includes(id) : Object.entries(which.tags).every(([key, value]) => tags[key] === value));
    return Promise.resolve(this.#instances().filter(matches));
  }

  start(): Promise<'running'> {
    return Promise.resolve('running');
  }

  stop(): Promise<'running'> {
    return Promise.resolve('running');
  }

  terminate(id: string): Promise<'running' | 'terminated'> {
    return Promise.resolve(this.#instances().some((instance) => instance.id === id) ? 'running' : 'terminated');
  }

  resolveImage(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  #instances(): Instance[] {
    return [...this.#hosts].map(([uid, endpoint]) => ({ id: endpoint, state: 'running', privateIp: new URL(endpoint).hostname, tags: { [TAG.workerUid]: uid } }));
  }
}
