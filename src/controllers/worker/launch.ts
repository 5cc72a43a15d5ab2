/**
 * The launch of a Pending worker's machine (contract §8): image, the machine that carries the worker's tag, else a new
 * one with a token of its own. Nothing is written before: a launch whose status write is lost is found by its tag.
 */
import { isDeleting } from '../../api/meta.ts';
import { ExternalError } from '../../clients/errors.ts';
import { Ec2Error } from '../../clients/ec2/failures.ts';
import { ourTags } from '../../clients/provider/port.ts';
import { desired } from '../../core/worker-situation.ts';
import { effectSignal } from '../deps.ts';
import { factsOf, providerOf } from './machine.ts';
import type { Worker, WorkerTemplate } from '../../api/worker.ts';
import type { Instance, WorkerProvider } from '../../clients/provider/port.ts';
import type { Launch } from '../../core/worker-world.ts';
import type { PassContext } from '../../runtime/pass.ts';
import type { Deps } from '../deps.ts';
import type { InstanceWatch } from './instances.ts';

/** Pauses between tries, in milliseconds: doubled, with jitter. */
const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 60_000;

interface Tried {
  times: number;
  notBefore: number;
  came: Launch;
}

export class Launcher {
  private readonly deps: Deps;
  private readonly watch: InstanceWatch;
  private readonly tried = new Map<string, Tried>();

  constructor(deps: Deps, watch: InstanceWatch) {
    this.deps = deps;
    this.watch = watch;
  }

  /** Undefined: it is not the time, the worker does not want a machine, or it has one. */
  async attempt(worker: Worker, pass: PassContext): Promise<Launch | undefined> {
    const { uid } = worker.metadata;
    if (worker.spec.provider !== 'ec2' || worker.status?.phase !== 'Pending' || isDeleting(worker) || desired({ worker, draft: worker.status }) !== 'Running') return undefined;
    const before = this.tried.get(uid);
    if (before && this.dueIn(worker) > 0) return before.came;
    const came = await this.try(worker, pass);
    if (came.state !== 'waiting') this.tried.delete(uid);
    else {
      const times = (before?.times ?? 0) + 1;
      const pause = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (times - 1)) * (0.5 + Math.random() / 2);
      this.tried.set(uid, { times, notBefore: this.deps.clock.monotonic() + pause, came });
    }
    return came;
  }

  /** In how many milliseconds a launch that did not come off is tried again; 0: nothing waits. */
  dueIn({ metadata }: Worker): number {
    const before = this.tried.get(metadata.uid);
    return before ? Math.max(0, before.notBefore - this.deps.clock.monotonic()) : 0;
  }

  forget(uid: string): void {
    this.tried.delete(uid);
  }

  private async try(worker: Worker, pass: PassContext): Promise<Launch> {
    const template = this.deps.caches.templates.get(worker.spec.templateName);
    const provider = providerOf(this.deps, worker);
    if (!template || !provider) return { state: 'waiting', reason: 'TemplateNotFound', message: `WorkerTemplate ${worker.spec.templateName} does not exist, or is none for EC2. Create it.` };
    try {
      return worker.spec.instanceId === undefined ? await this.launch(worker, template, provider, pass) : await this.adopt(worker, template, provider, pass);
    } catch (error) {
      if (pass.signal.aborted || !(error instanceof ExternalError)) throw error;
      pass.log.warn({ worker: worker.metadata.name, error: error.message }, 'the launch of an instance did not come off');
      const reason = error instanceof Ec2Error && /^[A-Z][A-Za-z.]+$/.test(error.code) ? error.code.replaceAll('.', '') : 'LaunchDelayed';
      const hopeless = ['capacity', 'unauthorized', 'badRequest', 'notFound', 'badResponse'].includes(error.kind);
      return { state: hopeless ? 'failed' : 'waiting', reason: hopeless ? reason : 'LaunchDelayed', message: `${error.message}.` };
    }
  }

  private async launch(worker: Worker, template: WorkerTemplate, provider: WorkerProvider, pass: PassContext): Promise<Launch> {
    const { metadata, status } = worker;
    const { spec } = template;
    const { imagePattern = '', instanceType = '', network, tags } = spec;
    if (!spec.enabled) return { state: 'failed', reason: 'TemplateDisabled', message: `WorkerTemplate ${template.metadata.name} is not enabled. Set spec.enabled, then change the Worker or make another.` };
    const image = await provider.resolveImage(imagePattern, { signal: pass.signal });
    if (!image) return { state: 'failed', reason: 'ImageNotFound', message: `No available image in ${spec.region ?? ''} is named like ${imagePattern}. Correct imagePattern of WorkerTemplate ${template.metadata.name}, or share the image with this account.` };
    this.watch.acted(worker, undefined);
    const instance = await provider.ensureInstance(
      {
        token: `${metadata.uid}-${status?.launchGeneration ?? 0}`, workerUid: metadata.uid, imageId: image.id, instanceType,
        subnetIds: network?.subnetIds ?? [], securityGroupIds: network?.securityGroupIds ?? [], keyName: network?.keyName,
        tags: ourTags({ uid: metadata.uid, name: metadata.name, template: template.metadata.name }, this.deps.settings.clusterId, tags),
      },
      { signal: effectSignal(this.deps, pass.signal) },
    );
    return this.took(worker, template, instance, instance.imageId === undefined || instance.imageId === image.id ? image.name : undefined);
  }

  private async adopt(worker: Worker, template: WorkerTemplate, provider: WorkerProvider, pass: PassContext): Promise<Launch> {
    const id = worker.spec.instanceId ?? '';
    const [instance] = await provider.describe({ ids: [id] }, { signal: pass.signal });
    if (!instance || instance.state === 'terminated' || instance.state === 'shutting-down') {
      return { state: 'failed', reason: 'InstanceNotFound', message: `There is no instance ${id} in ${template.spec.region ?? ''} that could be adopted. Correct spec.instanceId.` };
    }
    return this.took(worker, template, instance, undefined);
  }

  private took(worker: Worker, template: WorkerTemplate, instance: Instance, imageName: string | undefined): Launch {
    this.watch.acted(worker, instance);
    return { state: 'launched', instance: { ...factsOf(instance, template), ...(imageName === undefined ? {} : { imageName }) } };
  }
}
