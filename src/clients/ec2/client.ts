/**
 * WorkerProvider over EC2. Credentials come from where AWS's own tools take them; AWS_ENDPOINT_URL_EC2 and
 * AWS_ENDPOINT_URL lead to another server. The SDK repeats what throttling, 5xx and lost connections befell, with
 * growing pauses; a repetition of a launch carries the same client token.
 */
import type { EC2, EC2ClientConfig, _InstanceType } from '@aws-sdk/client-ec2';
import { reasonOf } from '../abort.ts';
import { awsCall } from '../aws.ts';
import { ExternalError, OutcomeUnknownError } from '../errors.ts';
import { TAG } from '../provider/port.ts';
import { imageOf, instanceOf, stateAfter } from './answers.ts';
import { Ec2Error, explain } from './failures.ts';
import type { CallOptions, OnCall } from '../call.ts';
import type { Image, Instance, InstanceState, LaunchRequest, Selection, WorkerProvider } from '../provider/port.ts';

export interface Ec2Options {
  readonly region: string;
  /** @default AWS_ENDPOINT_URL_EC2, AWS_ENDPOINT_URL, or AWS */
  readonly endpoint?: string | undefined;
  readonly onCall?: OnCall | undefined;
  /** For one call with its repetitions, in milliseconds. @default 30000 */
  readonly timeoutMs?: number | undefined;
  /** Tries of one call. @default 5 */
  readonly attempts?: number | undefined;
  /** HTTP_PROXY, HTTPS_PROXY and NO_PROXY. @default no proxy */
  readonly proxyEnv?: Readonly<Record<string, string>> | undefined;
}

/** More ids than this are asked about in several calls. */
const IDS_A_CALL = 200;

export class Ec2Provider implements WorkerProvider {
  readonly ownsMachines = true;
  readonly #options: Ec2Options;
  readonly #host: string;
  #client: Promise<EC2> | undefined;

  constructor(options: Ec2Options) {
    const endpoint = options.endpoint ?? process.env['AWS_ENDPOINT_URL_EC2'] ?? process.env['AWS_ENDPOINT_URL'];
    this.#options = { ...options, endpoint };
    this.#host = endpoint === undefined ? options.region : new URL(endpoint).host;
  }

  async ensureInstance(request: LaunchRequest, options: CallOptions): Promise<Instance> {
    const mine = { tags: { [TAG.workerUid]: request.workerUid } };
    const found = oldest(await this.describe(mine, options));
    if (found) return found;
    const subnets: readonly (string | undefined)[] = request.subnetIds.length > 0 ? request.subnetIds : [undefined];
    let full: ExternalError | undefined;
    for (const [index, subnet] of subnets.entries()) {
      try {
        return await this.#launch(request, subnet, index === 0 ? request.token : `${request.token}-${index}`, options);
      } catch (error) {
        if (!(error instanceof ExternalError)) throw error;
        if (error.kind === 'capacity') full = error;
        else if (error.kind === 'conflict') return await this.#spent(error, mine, options);
        else throw error;
      }
    }
    throw full ?? new Error('there was no subnet to try');
  }

  async describe(which: Selection, options: CallOptions): Promise<readonly Instance[]> {
    if ('tags' in which) return this.#pages({ Filters: Object.entries(which.tags).map(([key, value]) => ({ Name: `tag:${key}`, Values: [value] })) }, options);
    const found: Instance[] = [];
    for (let from = 0; from < which.ids.length; from += IDS_A_CALL) {
      // By a filter: asked for by InstanceIds, one unknown id would refuse them all.
      found.push(...(await this.#pages({ Filters: [{ Name: 'instance-id', Values: which.ids.slice(from, from + IDS_A_CALL) }] }, options)));
    }
    return found;
  }

  start(id: string, options: CallOptions): Promise<InstanceState> {
    return this.#call('StartInstances', true, options, async (client, abortSignal) => stateAfter((await client.startInstances({ InstanceIds: [id] }, { abortSignal })).StartingInstances));
  }

  stop(id: string, options: CallOptions): Promise<InstanceState> {
    return this.#call('StopInstances', true, options, async (client, abortSignal) => stateAfter((await client.stopInstances({ InstanceIds: [id] }, { abortSignal })).StoppingInstances));
  }

  async terminate(id: string, options: CallOptions): Promise<InstanceState> {
    try {
      return await this.#call('TerminateInstances', true, options, async (client, abortSignal) => stateAfter((await client.terminateInstances({ InstanceIds: [id] }, { abortSignal })).TerminatingInstances));
    } catch (error) {
      if (error instanceof ExternalError && error.kind === 'notFound') return 'terminated';
      throw error;
    }
  }

  async resolveImage(pattern: string, options: CallOptions): Promise<Image | undefined> {
    const images = await this.#call('DescribeImages', false, options, async (client, abortSignal) => {
      const answer = await client.describeImages({ Filters: [{ Name: 'name', Values: [pattern] }, { Name: 'state', Values: ['available'] }] }, { abortSignal });
      return (answer.Images ?? []).flatMap((image) => imageOf(image) ?? []);
    });
    return images.sort((a, b) => (a.createdAt < b.createdAt ? 1 : -1))[0];
  }

  async close(): Promise<void> {
    (await this.#client?.catch(() => undefined))?.destroy();
  }

  #launch(request: LaunchRequest, subnet: string | undefined, token: string, options: CallOptions): Promise<Instance> {
    return this.#call('RunInstances', true, options, async (client, abortSignal) => {
      const answer = await client.runInstances({
        ClientToken: token, MinCount: 1, MaxCount: 1, ImageId: request.imageId,
        // A type that is newer than the SDK is for EC2 to judge.
        InstanceType: request.instanceType as _InstanceType,
        ...(subnet === undefined ? {} : { SubnetId: subnet }),
        ...(request.securityGroupIds.length === 0 ? {} : { SecurityGroupIds: [...request.securityGroupIds] }),
        ...(request.keyName === undefined ? {} : { KeyName: request.keyName }),
        // At launch, in the same call: an instance without its tag could not be found again.
        TagSpecifications: [{ ResourceType: 'instance', Tags: Object.entries(request.tags).map(([Key, Value]) => ({ Key, Value })) }],
      }, { abortSignal });
      const [instance] = (answer.Instances ?? []).flatMap((one) => instanceOf(one) ?? []);
      if (!instance) throw new Ec2Error('NoInstance', { system: 'ec2', host: this.#host, call: 'RunInstances', kind: 'badResponse', description: 'the answer names no instance' });
      return instance;
    });
  }

  /** The token was used for a launch with other parameters (a newer image, say): that instance is the worker's, and will be seen soon. */
  async #spent(error: ExternalError, mine: Selection, options: CallOptions): Promise<Instance> {
    const found = oldest(await this.describe(mine, options));
    if (found) return found;
    throw new OutcomeUnknownError({ system: 'ec2', host: this.#host, call: 'RunInstances', description: 'an earlier launch of this worker is not visible yet', cause: error });
  }

  async #pages(input: { Filters: { Name: string; Values: string[] }[] }, options: CallOptions): Promise<Instance[]> {
    const found: Instance[] = [];
    let NextToken: string | undefined;
    do {
      const page = { ...input, MaxResults: 1000, ...(NextToken === undefined ? {} : { NextToken }) };
      const answer = await this.#call('DescribeInstances', false, options, (client, abortSignal) => client.describeInstances(page, { abortSignal }));
      for (const { Instances = [] } of answer.Reservations ?? []) found.push(...Instances.flatMap((one) => instanceOf(one) ?? []));
      NextToken = answer.NextToken;
    } while (NextToken !== undefined && NextToken !== '');
    return found;
  }

  async #call<T>(call: string, effect: boolean, { signal }: CallOptions, work: (client: EC2, signal: AbortSignal) => Promise<T>): Promise<T> {
    const { timeoutMs = 30_000, onCall } = this.#options;
    const where = { host: this.#host, call, effect };
    return awsCall({ system: 'ec2', host: this.#host, call, timeoutMs, onCall }, signal, async (within) => work(await this.#open(), within), (error, isCutOff) => {
      if (signal.aborted && !effect) return reasonOf(signal);
      if (isCutOff) return cutOff(where, timeoutMs, error);
      return error instanceof ExternalError ? error : explain(error, where);
    });
  }

  #open(): Promise<EC2> {
    this.#client ??= open(this.#options);
    return this.#client;
  }
}

/** Of several instances of one worker the oldest counts; ended ones do not. */
function oldest(instances: readonly Instance[]): Instance | undefined {
  return instances.filter(({ state }) => state !== 'terminated' && state !== 'shutting-down').sort((a, b) => ((a.launchedAt ?? '') < (b.launchedAt ?? '') ? -1 : 1))[0];
}

function cutOff({ host, call, effect }: { host: string; call: string; effect: boolean }, timeoutMs: number, cause: unknown): ExternalError {
  const details = { system: 'ec2', host, call, cause, description: `cut off before its answer came (limit ${timeoutMs / 1000} s)` } as const;
  return effect ? new OutcomeUnknownError(details) : new ExternalError({ ...details, kind: 'timeout' });
}

/** The SDK is large; a controller without EC2 workers never loads it. */
async function open({ region, endpoint, attempts = 5, proxyEnv }: Ec2Options): Promise<EC2> {
  const { EC2: Client } = await import('@aws-sdk/client-ec2');
  const config: EC2ClientConfig = { region, maxAttempts: attempts, requestHandler: { connectionTimeout: 5_000, httpAgent: { proxyEnv }, httpsAgent: { proxyEnv } }, ...(endpoint === undefined ? {} : { endpoint }) };
  return new Client(config);
}
