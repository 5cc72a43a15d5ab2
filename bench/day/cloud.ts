/** What EC2 and the hosts do on that day: boot times, boots that hang, an hour without capacity, a bad image, hosts that die. */
import { seededRandom } from '../../hack/sim/common/random.ts';
import { DAY, HOUR, MINUTE, normal } from './workload.ts';
import type { WorkerSnapshot } from '../../src/core/scheduling.ts';

const GIB = 2 ** 30;

export interface Offer {
  readonly name: string;
  readonly costPerHour: number;
  readonly maxWorkers: number;
  readonly fresh: WorkerSnapshot;
}

const fresh = (name: string, cpu: number, memory: number): WorkerSnapshot => ({
  name, phase: 'Running', schedulable: true, draining: false, provider: 'ec2', license: 'Enterprise', nodeLimit: 500,
  declared: { cpu, memory: memory * GIB, storage: 4_000 * GIB }, used: { cpu: 0, memory: 0, storage: 0, nodes: 0 }, sessions: 0,
  portRange: { start: 2_000, end: 7_999 }, takenPorts: new Set(), imageName: 'cml-2.9.1', cmlVersion: '2.9.1', nodeDefinitions: new Set(['iosv']), nestedVirtualization: true, reusableLabs: [],
});

/** Two templates: the cheaper one is the first choice, the other is there when that one fails. */
export const OFFERS: readonly Offer[] = [
  { name: 'metal', costPerHour: 3.9641, maxWorkers: 200, fresh: fresh('metal', 48, 192) },
  { name: 'metal-large', costPerHour: 6.528, maxWorkers: 40, fresh: fresh('metal-large', 96, 384) },
];

export const offerNamed = (name: string): Offer => OFFERS.find((offer) => offer.name === name) as Offer;

/** How a launch ends: ready after a time; hung, until the provisioning timeout; or refused at once. */
export type Launch = { kind: 'ready' | 'hung' | 'refused'; after: number };

/** Of a bare-metal host, from RunInstances to a CML that is ready: median 11 min, P95 about 17 min. */
const BOOT_MEDIAN = 11 * MINUTE;
const BOOT_SIGMA = 0.25;
/** A stopped host that is started again. */
const RESTART_SHARE = 0.6;
const HUNG = 0.04;
const PROVISIONING_TIMEOUT = 30 * MINUTE;

/** No capacity for `metal` in its zone. */
const SHORTAGE = { from: DAY + 10.2 * HOUR, to: DAY + 10.5 * HOUR };
/** An image of `metal` with which no host gets ready. */
const BAD_IMAGE = { from: DAY + 15.2 * HOUR, to: DAY + 16.2 * HOUR };

/** @param number which launch of the template on that day: the same one has the same fate whoever asks for it */
export function launch(seed: string, template: string, number: number, at: number, restart: boolean): Launch {
  const random = seededRandom(`${seed}/${restart ? 'restart' : 'launch'}/${template}/${number}`);
  const [hangs, boot] = [random() < HUNG, BOOT_MEDIAN * Math.exp(BOOT_SIGMA * normal(random))];
  const within = ({ from, to }: typeof SHORTAGE): boolean => !restart && template === 'metal' && at >= from && at < to;
  if (within(SHORTAGE)) return { kind: 'refused', after: MINUTE / 2 };
  if (hangs || within(BAD_IMAGE)) return { kind: 'hung', after: PROVISIONING_TIMEOUT };
  return { kind: 'ready', after: restart ? boot * RESTART_SHARE : boot };
}

/** When a host dies, and which of those that run: the share of their list at which it stands. */
export function deaths(seed: string): { at: number; which: number }[] {
  const random = seededRandom(`${seed}/deaths`);
  return Array.from({ length: 6 }, () => ({ at: DAY + (7 + 13 * random()) * HOUR, which: random() })).sort((a, b) => a.at - b.at);
}
