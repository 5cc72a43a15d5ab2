/** Worker: one CML host; WorkerTemplate: how to make Workers, and how many (contract §1.4). */
import { z } from 'zod';
import { emitterStatus, historyEntry, HISTORY_MAX } from './outbox.ts';
import { LICENSES } from './labletdefinition.ts';
import { conditions, duration, formed, listSet, objectName, portNumber, quantity, rules, secretKeyRef, text, time } from './schema.ts';
import type { KubeObject } from './meta.ts';

const PROVIDERS = ['static', 'ec2'] as const;
export const WORKER_PHASES = [
  'Pending', 'Provisioning', 'Starting', 'Running', 'Draining', 'Stopping', 'Stopped', 'Terminating', 'Terminated', 'Failed',
] as const;
export type WorkerPhase = (typeof WORKER_PHASES)[number];

/** PATty ports of a host that a template may hand out (contract §4.1). */
const portRange = rules(
  z.object({
    start: portNumber().default(2000).describe('First port.'),
    end: portNumber().default(7999).describe('Last port.'),
  }),
  { rule: 'self.start >= 2000 && self.end <= 9999 && self.start <= self.end', message: 'portRange must lie within 2000 and 9999, start not after end; it must match the PATty window of the CML image' },
);

const capacity = z.object({
  cpu: quantity().describe('CPUs.'),
  memory: quantity().describe('Memory.'),
  storage: quantity().describe('Disk.'),
});

export const workerTemplateSpec = rules(
  z.object({
    provider: rules(z.enum(PROVIDERS), { rule: 'self == oldSelf', message: 'provider cannot be changed; create another WorkerTemplate' }).describe('static: hosts that exist already. ec2: instances that the controller makes.'),
    instanceType: text(64).optional().describe('EC2 instance type, such as m5zn.metal.'),
    capacity: capacity.describe('What one worker offers.'),
    maxNodes: z.number().int().min(1).max(100000).default(500).describe('Most nodes on one worker.'),
    licenseType: z.enum(LICENSES).default('Enterprise').describe('Licence that the workers are meant to have; the one read from CML decides.'),
    imagePattern: text(256).optional().describe('Glob over image names; the newest match is used (ec2).'),
    region: text(64).optional().describe('EC2 region.'),
    portRange: portRange.default({ start: 2000, end: 7999 }).describe('Ports for node consoles; must match the PATty window of the image.'),
    startupTime: duration().default('20m').describe('Time from launch to ready, until it has been learned.'),
    drainTimeout: duration().default('4h').describe('How long a drain waits for running sessions.'),
    idleTimeout: duration().default('60m').describe('Idle time after which a worker is drained.'),
    costPerHour: formed(z.string().max(16), /^[0-9]+(\.[0-9]+)?$/, 'must be a decimal number in quotes such as "3.9641"').default('3.9641').describe('Cost of one worker for an hour, for choosing and metering.'),
    enabled: z.boolean().default(true).describe('May new workers be made from it?'),
    minWorkers: z.number().int().min(0).max(1000).default(0).describe('Workers kept running.'),
    maxWorkers: z.number().int().min(0).max(1000).default(10).describe('Most workers of this template.'),
    network: z
      .object({
        subnetIds: z.array(text(64)).max(16).optional().describe('Subnets, tried in order.'),
        securityGroupIds: z.array(text(64)).max(16).optional().describe('Security groups.'),
        keyName: text(255).optional().describe('SSH key pair.'),
      })
      .optional()
      .describe('Network of EC2 instances.'),
    endpoint: z
      .object({
        scheme: z.enum(['https', 'http']).default('https').describe('How CML is spoken to; http only where the network is trusted.'),
        port: portNumber().default(443).describe('Port of CML.'),
        address: z.enum(['Private', 'Public']).default('Private').describe('Address of the instance that the controller and candidates reach.'),
      })
      .optional()
      .describe('Where the CML of an instance is found (ec2); absent: https, port 443, private address.'),
    stoppedTtl: duration().optional().describe('A Stopped instance is terminated after this; absent: never (ec2).'),
    tags: z.record(text(128), z.string().max(256)).optional().meta({ maxProperties: 40 }).describe('More tags for EC2 instances.'),
    cmlCredentialsSecretRef: secretKeyRef().optional().describe("Secret in the controller's namespace with the keys username, password and, optionally, ca.crt."),
    licenseTokenSecretRef: secretKeyRef().optional().describe("Secret in the controller's namespace with the licence token."),
  }),
  { rule: "self.provider != 'ec2' || (has(self.instanceType) && has(self.imagePattern) && has(self.region))", message: 'an ec2 template needs instanceType, imagePattern and region' },
  { rule: 'self.minWorkers <= self.maxWorkers', message: 'minWorkers must not be greater than maxWorkers' },
).describe('How workers are made.');

export const workerTemplateStatus = z
  .object({
    observedGeneration: z.number().int().min(0).optional().describe('metadata.generation that this status speaks of.'),
    workers: z.number().int().min(0).optional().describe('Workers that exist.'),
    failures: z.number().int().min(0).optional().describe('Launches that failed in a row.'),
    quarantinedUntil: time().optional().describe('No launches before then.'),
    boots: z
      .array(z.object({ worker: objectName().describe('Worker.'), at: time().describe('When it was ready.'), seconds: z.number().int().min(0).describe('Seconds from launch to ready.') }))
      .max(20)
      .optional()
      .describe('Newest boots, from which the lead time is learned.'),
    conditions: conditions(),
  })
  .describe('What was learned about the template.');

export const workerSpec = rules(
  z.object({
    templateName: rules(objectName(), { rule: 'self == oldSelf', message: 'templateName cannot be changed; create another Worker' }).describe('WorkerTemplate.'),
    provider: rules(z.enum(PROVIDERS), { rule: 'self == oldSelf', message: 'provider cannot be changed; create another Worker' }).describe('static or ec2.'),
    desiredState: z.enum(['Running', 'Draining', 'Stopped', 'Terminated']).default('Running').describe('What the worker should be.'),
    instanceId: text(64).optional().describe('EC2 instance to adopt.'),
    endpoint: formed(z.string().max(512), /^https?:\/\/[^\s/]+(\/[^\s]*)?$/, 'must be the URL of a CML host such as https://cml-01.example.org').optional().describe('URL of the CML host (static).'),
    overrides: z
      .object({
        capacity: capacity.optional().describe('Capacity of this host, where it differs from the template.'),
        maxNodes: z.number().int().min(1).max(100000).optional().describe('Most nodes on this host.'),
        portRange: portRange.optional().describe('Ports of this host.'),
        address: text(253).optional().describe('Address that candidates reach, where it is not the host of the endpoint.'),
        cmlCredentialsSecretRef: secretKeyRef().optional().describe("Credentials of this host, from a Secret in the controller's namespace."),
      })
      .optional()
      .describe('What differs from the template.'),
  }),
  { rule: "self.provider != 'static' || has(self.endpoint)", message: 'a static worker needs endpoint, the URL of its CML host' },
  { rule: "self.provider != 'ec2' || !has(self.endpoint)", message: 'an ec2 worker finds its own address: leave endpoint out' },
  { rule: "self.provider != 'static' || !has(self.instanceId)", message: 'a static worker is no EC2 instance: leave instanceId out' },
).describe('Which host.');

const amounts = z.object({
  cpu: z.string().max(32).describe('CPUs.'),
  memory: z.string().max(32).describe('Memory.'),
  storage: z.string().max(32).describe('Disk.'),
  nodes: z.number().int().describe('Nodes.'),
  ports: z.number().int().describe('Ports.'),
});

export const workerStatus = z
  .object({
    observedGeneration: z.number().int().min(0).optional().describe('metadata.generation that this status speaks of.'),
    phase: z.enum(WORKER_PHASES).optional().describe('Where the worker is in its life.'),
    instanceId: text(64).optional().describe('EC2 instance.'),
    instanceState: text(32).optional().describe('State of the EC2 instance as EC2 says it; gone: EC2 does not know it.'),
    imageId: text(64).optional().describe('EC2 image.'),
    imageName: text(256).optional().describe('Name of the EC2 image.'),
    endpoint: text(512).optional().describe('URL of the CML host in use.'),
    address: text(253).optional().describe('Address that candidates reach.'),
    cmlVersion: text(64).optional().describe('CML version as the host says it.'),
    nodeDefinitions: listSet(z.array(text(128)).max(512)).optional().describe('Node definitions of the host.'),
    nestedVirtualization: z.boolean().optional().describe('Can the host run KVM guests?'),
    license: z
      .object({
        state: text(64).optional().describe('Authorisation as CML says it.'),
        product: text(64).optional().describe('Personal, Enterprise or Evaluation.'),
        nodeLimit: z.number().int().min(0).optional().describe('Most nodes that the licence allows.'),
        registeredByUs: z.boolean().optional().describe('Did the controller register it? Then it gives it back when the worker goes.'),
      })
      .optional()
      .describe('Licence of the host.'),
    capacity: z
      .object({
        declared: amounts.describe('What the worker offers.'),
        allocated: amounts.describe('What sessions and labs hold; derived from them.'),
        available: amounts.describe('What is left.'),
      })
      .optional()
      .describe('Capacity.'),
    foreignPorts: z.array(portNumber()).max(8000).optional().describe('Ports in the tags of labs that are not ours.'),
    sessions: z.number().int().min(0).optional().describe('Sessions bound to it.'),
    labs: z.number().int().min(0).optional().describe('Labs on it.'),
    foreignLabs: z.number().int().min(0).optional().describe('Labs on the host that are not ours; never touched.'),
    unreachableSince: time().optional().describe('Since when the CML host does not answer.'),
    launchGeneration: z.number().int().min(0).optional().describe('Number of the launch; part of its idempotency token.'),
    failedGeneration: z.number().int().min(0).optional().describe('metadata.generation that failed; a newer one is a new try.'),
    drainStartedAt: time().optional().describe('Start of the drain.'),
    drainDoneBy: time().optional().describe('When the last session on it will have ended, at the latest.'),
    drain: z
      .object({
        by: z.enum(['User', 'Autoscaler']).describe('Who asked for it.'),
        reason: text(256).describe('Why.'),
        since: time().describe('Since when.'),
      })
      .optional()
      .describe('A drain that the controller asked for; the spec stays the user\'s.'),
    lastActivityAt: time().optional().describe('Last sign of use.'),
    lastResumedAt: time().optional().describe('Last start after a stop.'),
    lastProbeTime: time().optional().describe('Last time the CML host answered, rounded to the heartbeat.'),
    reason: text(256).optional().describe('Why the worker is where it is.'),
    message: z.string().max(1024).optional().describe('The same for people.'),
    ...emitterStatus,
    history: z.array(historyEntry).max(HISTORY_MAX).optional().describe('Newest transitions.'),
    conditions: conditions(),
  })
  .describe('What the host is and holds.');

export type WorkerTemplateSpec = z.output<typeof workerTemplateSpec>;
export type WorkerTemplateStatus = z.output<typeof workerTemplateStatus>;
export interface WorkerTemplate extends KubeObject {
  spec: WorkerTemplateSpec;
  status?: WorkerTemplateStatus;
}
export type WorkerSpec = z.output<typeof workerSpec>;
export type WorkerStatus = z.output<typeof workerStatus>;
export interface Worker extends KubeObject {
  spec: WorkerSpec;
  status?: WorkerStatus;
}
