import { z } from 'zod';
import { INSTANCE_STATES } from '../provider/port.ts';
import type { Image, Instance, InstanceState } from '../provider/port.ts';

const state = z.object({ Name: z.enum(INSTANCE_STATES) });
const text = z.string().min(1).optional().catch(undefined);

const instance = z.object({
  InstanceId: z.string().min(1),
  State: state,
  PrivateIpAddress: text, PublicIpAddress: text, InstanceType: text, ImageId: text,
  LaunchTime: z.date().optional(),
  Tags: z.array(z.object({ Key: z.string(), Value: z.string() })).default([]),
});

/** An instance of an answer; undefined for one in a state that we do not know. */
export function instanceOf(answer: unknown): Instance | undefined {
  const { data } = instance.safeParse(answer);
  return data && {
    id: data.InstanceId, state: data.State.Name,
    ...(data.PrivateIpAddress === undefined ? {} : { privateIp: data.PrivateIpAddress }),
    ...(data.PublicIpAddress === undefined ? {} : { publicIp: data.PublicIpAddress }),
    ...(data.InstanceType === undefined ? {} : { type: data.InstanceType }),
    ...(data.ImageId === undefined ? {} : { imageId: data.ImageId }),
    ...(data.LaunchTime === undefined ? {} : { launchedAt: data.LaunchTime.toISOString() }),
    tags: Object.fromEntries(data.Tags.map(({ Key, Value }) => [Key, Value])),
  };
}

const image = z.object({ ImageId: z.string().min(1), Name: z.string(), CreationDate: z.string().default('') });

export function imageOf(answer: unknown): Image | undefined {
  const { data } = image.safeParse(answer);
  return data && { id: data.ImageId, name: data.Name, createdAt: data.CreationDate };
}

const changes = z.array(z.object({ CurrentState: state })).min(1);

/** The state that a start, a stop or a termination of one instance answers with. */
export function stateAfter(answer: unknown): InstanceState {
  return changes.parse(answer)[0]?.CurrentState.Name ?? 'pending';
}
