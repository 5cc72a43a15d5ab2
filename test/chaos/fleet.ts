/** Two replicas of the controller as a Deployment runs them, and what may happen to their processes and to their way to the API server. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parse } from 'yaml';
import { z } from 'zod';
import { startController, type Controller } from '../../hack/demo/controller.ts';
import { CuttableProxy } from '../support/cuttable-proxy.ts';
import { eventually } from '../support/eventually.ts';

/** A lease runs out after 15 s, and a machine may be slow. */
const HAND_OVER_LIMIT_MS = 120_000;
const kubeconfigSchema = z.looseObject({ clusters: z.tuple([z.looseObject({ cluster: z.looseObject({ server: z.url() }) })]) });

export interface FleetOptions {
  /** Path of the program `leash` (hack/cluster/leash.ts). */
  readonly leash: string;
  readonly bundle: string;
  /** For kubeconfigs and logs. */
  readonly directory: string;
  /** With the rights of production. */
  readonly kubeconfigPath: string;
  readonly environment: Readonly<Record<string, string>>;
  /** Who leads, by the API server's word: the name of a pod, or undefined. */
  readonly leader: () => Promise<string | undefined>;
}

/** A pod: its container may be started again, under the same name. */
interface Pod {
  readonly name: string;
  readonly proxy: CuttableProxy;
  readonly kubeconfig: string;
  controller: Controller | undefined;
}

export class Fleet {
  readonly #options: FleetOptions;
  readonly #pods: Pod[] = [];
  readonly #logFiles: string[] = [];
  #created = 0;

  private constructor(options: FleetOptions) {
    this.#options = options;
  }

  /** Starts two replicas; resolves when both are ready and one leads. */
  static async start(options: FleetOptions): Promise<Fleet> {
    const fleet = new Fleet(options);
    try {
      await Promise.all([fleet.#add(), fleet.#add()]);
      await fleet.leader();
    } catch (error) {
      await fleet.stop();
      throw error;
    }
    return fleet;
  }

  /** Where the replicas that live take events. */
  readonly ingestUrls = (): string[] => this.#pods.flatMap(({ controller }) => (controller === undefined ? [] : [controller.ingestUrl]));

  /** Waits until a pod other than `not` leads; resolves with its name. */
  async leader(not?: string): Promise<string> {
    return (await this.#leading(not)).name;
  }

  /** kill -9 of a container; the kubelet starts it again at once. */
  async kill(whom: 'leader' | 'standby'): Promise<void> {
    const leader = await this.#leading();
    const pod = whom === 'leader' ? leader : (this.#pods.find((other) => other !== leader) ?? leader);
    await this.#end(pod, 'kill');
    await this.#run(pod);
  }

  /** The leader's pod is deleted, as by a rollout: it hands over, and another pod comes. */
  async stopLeader(): Promise<void> {
    const leader = await this.#leading();
    await this.#end(leader, 'stop');
    await this.#replace(leader);
  }

  /** The leader's node dies: nobody releases the lease, which runs out; then another pod comes. */
  async loseLeader(): Promise<void> {
    const leader = await this.#leading();
    await this.#end(leader, 'kill');
    await this.#leading(leader.name);
    await this.#replace(leader);
  }

  /** The leader lives on without the API server until the other leads: `cut`, connections break; `freeze`, they fall silent. */
  async isolateLeader(how: 'cut' | 'freeze'): Promise<void> {
    const leader = await this.#leading();
    leader.proxy[how]();
    try {
      await this.#leading(leader.name);
    } finally {
      leader.proxy.restore();
    }
  }

  /** Lines of all logs so far that tell of what was not expected: not that the API server was away, for whom it was. */
  async errors(): Promise<string[]> {
    const logs = await Promise.all(this.#logFiles.map((file) => readFile(file, 'utf8').catch(() => '')));
    return logs.flatMap((log) => log.split('\n').filter((line) => /"level":"(error|fatal)"/.test(line) && !/"name":"(Transport|Timeout)Error"/.test(line)));
  }

  async stop(): Promise<void> {
    await Promise.all(this.#pods.map(async (pod) => {
      await this.#end(pod, 'stop');
      await pod.proxy.close();
    }));
  }

  async #leading(not?: string): Promise<Pod> {
    return eventually(async () => {
      const name = await this.#options.leader();
      const pod = this.#pods.find((one) => one.name === name && one.controller !== undefined);
      if (!pod || pod.name === not) throw new Error(`no new leader: the lease is held by ${name ?? 'nobody'}`);
      return pod;
    }, HAND_OVER_LIMIT_MS);
  }

  async #replace(pod: Pod): Promise<void> {
    this.#pods.splice(this.#pods.indexOf(pod), 1);
    await pod.proxy.close();
    await this.#add();
  }

  async #add(): Promise<void> {
    const { directory, kubeconfigPath } = this.#options;
    const name = `lablet-controller-${++this.#created}`;
    const config = kubeconfigSchema.parse(parse(await readFile(kubeconfigPath, 'utf8')));
    const [{ cluster }] = config.clusters;
    const proxy = await CuttableProxy.start(new URL(cluster.server));
    cluster.server = proxy.url.href;
    const pod: Pod = { name, proxy, kubeconfig: join(directory, `${name}.kubeconfig`), controller: undefined };
    await writeFile(pod.kubeconfig, JSON.stringify(config), { mode: 0o600 });
    this.#pods.push(pod);
    await this.#run(pod);
  }

  async #run(pod: Pod): Promise<void> {
    const { leash, bundle, directory, environment } = this.#options;
    const logFile = join(directory, `${pod.name}-${this.#logFiles.length}.log`);
    this.#logFiles.push(logFile);
    pod.controller = await startController({ leash, bundle, logFile, environment: { ...environment, KUBECONFIG: pod.kubeconfig, POD_NAME: pod.name } });
  }

  async #end(pod: Pod, how: 'kill' | 'stop'): Promise<void> {
    const { controller } = pod;
    if (controller === undefined) return;
    // A Service sends nothing more to a pod that is going away; some requests are under way.
    pod.controller = undefined;
    if (how === 'stop') await sleep(50);
    await controller[how]();
  }
}
