/** EC2 for tests: a moto server behind our proxy, an image of CML in it, and the credentials in the environment. */
import { freePort } from '../../hack/cluster/ports.ts';
import { createEc2Simulator, type Ec2Options, type Ec2Simulator } from '../../hack/sim/ec2/simulator.ts';
import { startMoto, type Moto } from '../../hack/moto/moto.ts';
import type { FaultSwitch } from '../../hack/sim/common/faults.ts';

export const REGION = 'us-east-1';
export const IMAGE = 'cisco-cml2.9.1-test';

export interface SeenInstance {
  id: string;
  state: string;
  address: string | null;
}

export interface TestEc2 {
  readonly url: string;
  /** Port on which each running instance serves its CML, over http. */
  readonly cmlPort: number;
  readonly imageId: string;
  fault(fault: FaultSwitch): void;
  /** All instances as they are shown now, terminated ones included. */
  instances(): Promise<SeenInstance[]>;
  /** What somebody does in the console of AWS. */
  byHand(id: string, act: 'start' | 'stop' | 'terminate'): Promise<void>;
  /** Calls by action. */
  calls(action: string): Promise<number>;
  /** Forgets all instances, tokens, faults and calls. */
  reset(): Promise<void>;
  close(): Promise<void>;
}

/** Sets AWS_ENDPOINT_URL_EC2 and credentials for this process, as an installation has them. */
export async function startEc2(options: Partial<Ec2Options> = {}): Promise<TestEc2> {
  const moto: Moto = await startMoto();
  const cmlPort = await freePort();
  let simulator: Ec2Simulator | undefined;
  let url = '';
  let imageId = '';
  const sim = async (method: string, path: string): Promise<unknown> => {
    const response = await fetch(`${url}/sim/${path}`, { method });
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
    return response.status === 204 ? undefined : response.json();
  };
  const begin = async (): Promise<void> => {
    simulator = createEc2Simulator({ upstream: moto.url, cmlPort, images: [IMAGE], ...options });
    url = await simulator.listen();
    imageId = simulator.images.get(IMAGE) ?? '';
    Object.assign(process.env, { AWS_ENDPOINT_URL_EC2: url, AWS_ACCESS_KEY_ID: 'test', AWS_SECRET_ACCESS_KEY: 'test' });
  };
  await begin();
  return {
    get url() { return url; },
    get imageId() { return imageId; },
    cmlPort,
    fault: (fault) => simulator?.faults.set(fault),
    instances: async () => (await sim('GET', 'instances')) as SeenInstance[],
    byHand: async (id, act) => {
      await sim('PUT', `instances/${id}/${act}`);
    },
    calls: async (action) => ((await sim('GET', 'counters')) as Record<string, number>)[action] ?? 0,
    reset: async () => {
      await simulator?.close();
      await moto.reset();
      await begin();
    },
    close: async () => {
      await simulator?.close();
      await moto.close();
    },
  };
}
