/** The EC2 stand-in of the scene `fleet`: a moto server, and before it a proxy whose instances serve simulated CMLs. */
import { z } from 'zod';
import { freePort } from '../cluster/ports.ts';
import { startMoto } from '../moto/moto.ts';
import { startSimProcess } from '../sim/spawn.ts';
import { IMAGE, SCALE } from './fleet-plan.ts';

const instances = z.array(z.object({ id: z.string(), state: z.string() }));

export type Machine = z.infer<typeof instances>[number];

export interface Ec2 {
  /** What the controller needs to find it. */
  readonly environment: Readonly<Record<string, string>>;
  /** Port on which each instance that runs serves its CML. */
  readonly cmlPort: number;
  /** All instances, terminated ones included. */
  machines(): Promise<Machine[]>;
  /** What somebody does in the console of AWS. */
  terminate(id: string): Promise<void>;
  stop(): Promise<void>;
}

/** @throws Error when Python or its packages are not there */
export async function startEc2(): Promise<Ec2> {
  const moto = await startMoto();
  const cmlPort = await freePort();
  const flags = ['--upstream', moto.url, '--transition', '90s', '--image', IMAGE, '--cml-port', String(cmlPort), '--cml-boot', '60s', '--boot-delay', '60s', '--license', 'enterprise'];
  try {
    const proxy = await startSimProcess('ec2', flags, { TIME_SCALE: String(SCALE), LABLET_DEV: '1' });
    const sim = async (method: string, path: string): Promise<Response> => {
      const response = await fetch(`${proxy.url}/sim/${path}`, { method });
      if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
      return response;
    };
    return {
      cmlPort,
      environment: { AWS_ENDPOINT_URL_EC2: proxy.url, AWS_ACCESS_KEY_ID: 'demo', AWS_SECRET_ACCESS_KEY: 'demo' },
      machines: async () => instances.parse(await (await sim('GET', 'instances')).json()),
      terminate: async (id) => {
        await sim('PUT', `instances/${id}/terminate`);
      },
      stop: async () => {
        await proxy.close();
        await moto.close();
      },
    };
  } catch (error) {
    await moto.close();
    throw error;
  }
}
