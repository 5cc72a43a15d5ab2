/** Several replicas of one program, each with a way of its own to the API server that can be cut, and each killable. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import { startLeashed } from '../../hack/cluster/leash.ts';
import type { LeashedProcess } from '../../hack/cluster/leash.ts';
import { testBinaries } from './cluster.ts';
import { CuttableProxy } from './cuttable-proxy.ts';
import { eventually } from './eventually.ts';

export interface ReplicasOptions {
  readonly count: number;
  /** The program to run, as `node PROGRAM ARGS…`. */
  readonly program: string;
  readonly args?: readonly string[];
  /** What each replica is told beside KUBECONFIG and POD_NAME; every program here takes its identity from POD_NAME. */
  readonly env?: Readonly<Record<string, string>>;
  /** Whose rights the replicas have, and of which cluster. */
  readonly kubeconfigPath: string;
  /** Who leads, by the API server's word: the POD_NAME of a replica, or undefined. */
  readonly leader: () => Promise<string | undefined>;
}

const kubeconfigSchema = z.looseObject({ clusters: z.tuple([z.looseObject({ cluster: z.looseObject({ server: z.url() }) })]) });

/** One process. It dies with the test. */
export class Replica {
  readonly name: string;
  readonly proxy: CuttableProxy;
  private readonly process: LeashedProcess;
  private exitCode: number | undefined;

  constructor(name: string, proxy: CuttableProxy, process: LeashedProcess) {
    this.name = name;
    this.proxy = proxy;
    this.process = process;
    void process.exited.then((code) => (this.exitCode = code));
  }

  get running(): boolean {
    return this.exitCode === undefined;
  }

  /** Resolves with the exit code when it has ended, for whatever reason. */
  get exited(): Promise<number> {
    return this.process.exited;
  }

  /** kill -9. */
  async kill(): Promise<void> {
    await this.process.kill();
  }

  /** SIGTERM. @returns the exit code */
  async stop(): Promise<number> {
    await this.process.terminate();
    return this.process.exited;
  }

  async log(): Promise<string> {
    return readFile(this.process.logFile, 'utf8');
  }
}

export class Replicas {
  private readonly options: ReplicasOptions;
  private readonly directory: string;
  private readonly leash: string;
  private readonly all: Replica[] = [];
  private started = 0;

  private constructor(options: ReplicasOptions, directory: string, leash: string) {
    this.options = options;
    this.directory = directory;
    this.leash = leash;
  }

  static async start(options: ReplicasOptions): Promise<Replicas> {
    const directory = await mkdtemp(join(tmpdir(), 'lablet-replicas-'));
    const { leash } = await testBinaries(() => undefined);
    const replicas = new Replicas(options, directory, leash);
    for (let n = 0; n < options.count; n++) await replicas.add();
    return replicas;
  }

  /** Starts one more. */
  async add(): Promise<Replica> {
    const name = `replica-${this.started++}`;
    const config = kubeconfigSchema.parse(parse(await readFile(this.options.kubeconfigPath, 'utf8')));
    const [{ cluster }] = config.clusters;
    const proxy = await CuttableProxy.start(new URL(cluster.server));
    cluster.server = proxy.url.href;
    const kubeconfig = join(this.directory, `${name}.kubeconfig`);
    await writeFile(kubeconfig, JSON.stringify(config), { mode: 0o600 });
    const env = { ...this.options.env, KUBECONFIG: kubeconfig, POD_NAME: name };
    const variables = Object.entries(env).map(([key, value]) => `${key}=${value}`);
    const command = [...variables, process.execPath, this.options.program, ...(this.options.args ?? [])];
    const replica = new Replica(name, proxy, startLeashed(this.leash, 'env', command, join(this.directory, `${name}.log`)));
    this.all.push(replica);
    return replica;
  }

  /** Waits until a replica other than `not` leads. */
  async leader(not?: Replica): Promise<Replica> {
    return eventually(async () => {
      const name = await this.options.leader();
      const leader = this.all.find((replica) => replica.name === name && replica.running);
      if (!leader || leader === not) throw new Error(`no new leader; the lease is held by ${name ?? 'nobody'}\n${await this.logs()}`);
      return leader;
    }, 45_000);
  }

  /** Those of which `replica` is not one. */
  others(replica: Replica): Replica[] {
    return this.all.filter((other) => other !== replica && other.running);
  }

  /** The end of each log, for the message of a failed test. */
  async logs(): Promise<string> {
    const tails = await Promise.all(this.all.map(async (replica) => `--- ${replica.name}\n${(await replica.log()).trimEnd().split('\n').slice(-12).join('\n')}`));
    return tails.join('\n');
  }

  /** Ends all processes and removes all files. */
  async close(): Promise<void> {
    await Promise.all(this.all.map(async (replica) => {
      await replica.kill();
      await replica.proxy.close();
    }));
    await rm(this.directory, { recursive: true, force: true });
  }
}
