import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { Ec2Provider } from '../../../src/clients/ec2/client.ts';
import { OutcomeUnknownError } from '../../../src/clients/errors.ts';
import { StaticProvider } from '../../../src/clients/provider/static.ts';
import { TAG } from '../../../src/clients/provider/port.ts';
import { IMAGE, REGION, startEc2, type TestEc2 } from '../../support/ec2.ts';
import { eventually } from '../../support/eventually.ts';
import { MOTO_START_LIMIT_MS } from '../../../hack/moto/moto.ts';
import { providerContract, requestFor } from './contract.ts';

const call = { signal: new AbortController().signal };
const environment = { ...process.env };
const transitionMs = 300;
let ec2: TestEc2;
let provider: Ec2Provider | undefined;
const ours = (): Ec2Provider => (provider ??= new Ec2Provider({ region: REGION }));

beforeAll(async () => {
  ec2 = await startEc2({ transitionMs });
}, MOTO_START_LIMIT_MS);

beforeEach(async () => {
  await provider?.close();
  provider = undefined;
  await ec2.reset();
});

afterAll(async () => {
  await provider?.close();
  await ec2.close();
  process.env = environment;
});

const uids = [randomUUID(), randomUUID()] as const;

providerContract('ec2', uids, () => ({ provider: ours(), imagePattern: 'cisco-cml2.9*' }));
providerContract('static', uids, () => ({
  provider: new StaticProvider(new Map([[uids[0], 'https://cml-01.example.org'], [uids[1], 'https://cml-02.example.org']])), imagePattern: '*',
}));

describe('a launch on EC2', () => {
  const request = (more = {}) => requestFor(uids[0], ec2.imageId, more);
  const live = async () => (await ec2.instances()).filter(({ state }) => state !== 'terminated' && state !== 'shutting-down');

  test('with a token that was used is the same instance, even where the tag does not show it', async () => {
    const first = await ours().ensureInstance(request(), call);
    // The second worker's tag hides the first instance from the look-up: what is left is the token.
    const again = await ours().ensureInstance({ ...request(), workerUid: uids[1] }, call);
    expect([again.id, (await live()).length]).toEqual([first.id, 1]);
  });

  test('with a token that was used for other parameters is refused, and the instance that has the tag is found', async () => {
    const first = await ours().ensureInstance(request(), call);
    await expect(ours().ensureInstance({ ...request({ instanceType: 'c5.metal' }), workerUid: uids[1] }, call)).rejects.toBeInstanceOf(OutcomeUnknownError);
    expect((await ours().ensureInstance(request({ instanceType: 'c5.metal' }), call)).id).toBe(first.id);
    expect(await live()).toHaveLength(1);
  });

  test('whose answer is lost makes one instance: the SDK repeats it with its token', async () => {
    ec2.fault({ name: 'lost-answer', times: 2, route: 'RunInstances' });
    const { id } = await ours().ensureInstance(request(), call);
    expect((await live()).map((found) => found.id)).toEqual([id]);
    expect(await ec2.calls('RunInstances')).toBe(3);
  });

  test('whose answer is lost for good says that nobody knows, and its instance is found by the tag', async () => {
    const once = new Ec2Provider({ region: REGION, attempts: 1 });
    ec2.fault({ name: 'lost-answer', times: 1, route: 'RunInstances' });
    await expect(once.ensureInstance(request(), call)).rejects.toBeInstanceOf(OutcomeUnknownError);
    const found = await once.ensureInstance(request({ token: 'another-token' }), call);
    await once.close();
    expect([found.tags[TAG.workerUid], (await live()).length, await ec2.calls('RunInstances')]).toEqual([uids[0], 1, 1]);
  });

  test('goes on to the next subnet where one has no capacity, and says so where none has', async () => {
    const subnetIds = await defaultSubnets();
    ec2.fault({ name: 'capacity', route: `m5zn.metal ${subnetIds[0] ?? ''}` });
    expect((await ours().ensureInstance(request({ subnetIds }), call)).id).toMatch(/^i-/);
    ec2.fault({ name: 'capacity' });
    await expect(ours().ensureInstance(requestFor(uids[1], ec2.imageId, { subnetIds }), call)).rejects.toMatchObject({ kind: 'capacity', code: 'InsufficientInstanceCapacity', retryable: false });
    ec2.fault({ name: 'capacity', rate: 0 });
    ec2.fault({ name: 'limit' });
    await expect(ours().ensureInstance(requestFor(uids[1], ec2.imageId), call)).rejects.toMatchObject({ kind: 'capacity', code: 'VcpuLimitExceeded' });
  });

  test('is repeated while EC2 throttles, and not for ever', async () => {
    ec2.fault({ name: 'throttle', times: 2 });
    expect((await ours().ensureInstance(request(), call)).id).toMatch(/^i-/);
    ec2.fault({ name: 'throttle' });
    const few = new Ec2Provider({ region: REGION, attempts: 2 });
    await expect(few.describe({ ids: ['i-1'] }, call)).rejects.toMatchObject({ kind: 'unavailable', code: 'RequestLimitExceeded', retryable: true });
    await few.close();
  });

  test('takes its time: pending first, then running; stopping, then stopped', async () => {
    const { id, state } = await ours().ensureInstance(request(), call);
    const stateNow = async () => (await ours().describe({ ids: [id] }, call))[0]?.state;
    expect([state, await stateNow()]).toEqual(['pending', 'pending']);
    await eventually(async () => expect(await stateNow()).toBe('running'));
    expect([await ours().stop(id, call), await stateNow()]).toEqual(['stopping', 'stopping']);
    await eventually(async () => expect(await stateNow()).toBe('stopped'));
  });

  test('ends with its signal', async () => {
    ec2.fault({ name: 'latency' });
    await expect(ours().describe({ ids: ['i-1'] }, { signal: AbortSignal.timeout(100) })).rejects.toThrow('timeout');
  });

  test('takes the newest of the images whose name matches', async () => {
    expect(await ours().resolveImage('cisco-cml2.9*', call)).toMatchObject({ id: ec2.imageId, name: IMAGE });
  });

  async function defaultSubnets(): Promise<string[]> {
    const { EC2 } = await import('@aws-sdk/client-ec2');
    const client = new EC2({ region: REGION, endpoint: ec2.url });
    const { Subnets = [] } = await client.describeSubnets();
    client.destroy();
    return Subnets.flatMap(({ SubnetId }) => SubnetId ?? []).slice(0, 2);
  }
});
