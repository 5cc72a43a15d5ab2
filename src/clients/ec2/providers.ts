import { Ec2Provider } from './client.ts';
import type { Providers, WorkerProvider } from '../provider/port.ts';
import type { Ec2Options } from './client.ts';

/** One EC2 client for each region, made when it is first asked for. */
export function createProviders(options: Omit<Ec2Options, 'region'> = {}): Providers {
  const regions = new Map<string, WorkerProvider>();
  return {
    ec2: (region) => {
      const provider = regions.get(region) ?? new Ec2Provider({ ...options, region });
      regions.set(region, provider);
      return provider;
    },
    close: async () => {
      await Promise.all([...regions.values()].map((provider) => provider.close()));
      regions.clear();
    },
  };
}
