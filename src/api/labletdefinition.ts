/** LabletDefinition: a versioned lab template (contract §1.1). */
import { z } from 'zod';
import { emitterStatus } from './outbox.ts';
import { conditions, DURATION, duration, formed, listMap, listSet, objectName, portNumber, quantity, rules, secretKeyRef, semver, sha256, text, time } from './schema.ts';
import type { KubeObject } from './meta.ts';
import type { CelRule } from './schema.ts';

export const LICENSES = ['Personal', 'Enterprise', 'Evaluation'] as const;
/** Port protocols of topology tags (contract §4.2). */
export const PORT_PROTOCOLS = ['serial', 'vnc', 'ssh', 'telnet', 'tcp', 'http', 'https', 'pat'] as const;
export type PortProtocol = (typeof PORT_PROTOCOLS)[number];

const MAX_INLINE_BYTES = 128 * 1024;

const topology = rules(
  z.object({
    inline: z.string().min(1).max(MAX_INLINE_BYTES).optional().describe('The topology itself, CML YAML, at most 128 KiB.'),
    configMapRef: z
      .object({
        name: objectName().describe('Name of a ConfigMap in the namespace of the definition.'),
        key: text(253).describe('Key of the ConfigMap that holds the CML YAML.'),
      })
      .optional()
      .describe('The topology from a ConfigMap of this namespace.'),
    uri: formed(z.string().max(2048), /^(https?|s3):\/\/[^\s]+$/, 'must be a URI that begins with http://, https:// or s3://')
      .optional()
      .describe('The topology from http, https or s3 (s3://BUCKET/KEY).'),
    sha256: sha256().optional().describe('SHA-256 of the exact bytes. With it the content is fixed: other bytes are refused with ArtifactDrift.'),
    refreshInterval: duration().optional().describe('How often watched content (no sha256) is read again; new bytes become a new patch version. Default 10m.'),
  }),
  {
    rule: "(has(self.inline) ? 1 : 0) + (has(self.configMapRef) ? 1 : 0) + (has(self.uri) ? 1 : 0) == 1",
    message: 'set exactly one of topology.inline, topology.configMapRef, topology.uri',
  },
  {
    rule: '!(has(self.sha256) && has(self.refreshInterval))',
    message: 'set topology.sha256 (fixed content) or topology.refreshInterval (watched content), not both',
  },
  {
    rule: `!has(self.refreshInterval) || !self.refreshInterval.matches(r'${DURATION.source}') || duration(self.refreshInterval) >= duration('10s')`,
    message: 'topology.refreshInterval must be at least 10s',
  },
).describe('Where the CML topology comes from; exactly one source.');

const stepPatch = z.object({
  name: text(63).describe('Name of the step.'),
  handler: text(63).optional().describe('Handler that the controller knows; default: the name.'),
  needs: z.array(text(63)).max(16).optional().describe('Steps that must be completed or skipped before this one.'),
  skipWhen: z.string().max(512).optional().describe('Expression over session, definition, worker and steps; true skips the step.'),
  timeoutSeconds: z.number().int().min(1).max(86400).optional().describe('Limit of one attempt, in seconds.'),
  maxAttempts: z.number().int().min(1).max(20).optional().describe('Attempts before the step counts as failed.'),
  delaySeconds: z.number().int().min(0).max(3600).optional().describe('Wait between attempts, in seconds.'),
  optional: z.boolean().optional().describe('A failure of an optional step does not stop the pipeline.'),
});

const pipelinePatch = z.object({
  remove: z.array(text(63)).max(16).optional().describe('Steps of the standard pipeline to leave out.'),
  insertBefore: z.record(text(63), z.array(stepPatch).max(8)).optional().meta({ maxProperties: 16 }).describe('Steps to put before a step of the standard pipeline.'),
  insertAfter: z.record(text(63), z.array(stepPatch).max(8)).optional().meta({ maxProperties: 16 }).describe('Steps to put after a step of the standard pipeline.'),
  overrides: z.record(text(63), stepPatch.omit({ name: true })).optional().meta({ maxProperties: 16 }).describe('Other limits for a step of the standard pipeline.'),
});

const cmlVersion = () => formed(z.string().max(32), /^[0-9]+(\.[0-9]+){1,2}$/, 'must be a CML version such as 2.9 or 2.9.0');

const between = (field: string, min: string, max: string) => ({
  rule: `!self.matches(r'${DURATION.source}') || (duration(self) >= duration('${min}') && duration(self) <= duration('${max}'))`,
  message: `${field} must be between ${min} and ${max}`,
});

export const labletDefinitionSpec = z
  .object({
    version: semver().describe('Version of the template, MAJOR.MINOR.PATCH. It only moves forward; any change of the versioned fields needs a greater one.'),
    title: text(256).optional().describe('Name for people.'),
    formQualifiedName: text(256).optional().describe('Content id in LDS and GradingEngine, spaces included ("Exam CCNP TEST v1 LAB 1.1"). Absent: no LDS page and no content sync.'),
    topology,
    resources: z
      .object({
        cpu: quantity().describe('CPUs of the whole lab, a Kubernetes quantity.'),
        memory: quantity().describe('Memory of the whole lab, a Kubernetes quantity.'),
        storage: quantity().describe('Disk of the whole lab, a Kubernetes quantity.'),
      })
      .describe('What the lab needs, the sum over its nodes.'),
    nestedVirtualization: z.boolean().default(true).describe('The nodes need hardware virtualisation (a bare-metal type, or KVM on a static host).'),
    images: z
      .array(
        z.object({
          namePattern: z.string().max(256).optional().describe('Pattern for the name of the image of an EC2 worker: * is any characters, ? is one.'),
          cmlVersionMin: cmlVersion().optional().describe('Lowest CML version, compared as numbers.'),
          cmlVersionMax: cmlVersion().optional().describe('Highest CML version, compared as numbers.'),
          nodeDefinitions: z.array(text(128)).max(64).optional().describe('Node definitions that the host must have. Default: those of the topology.'),
        }),
      )
      .max(8)
      .optional()
      .describe('What a host must run; every entry must match.'),
    licenseAffinity: listSet(z.array(z.enum(LICENSES)).max(3)).optional().describe('Licences that a host may have; empty: any.'),
    ports: listMap(
      z
        .array(
          z.object({
            name: text(128).describe('Name of the port, unique within the lab.'),
            node: text(128).describe('Label of the node.'),
            protocol: z.enum(PORT_PROTOCOLS).describe('What speaks on the port.'),
            insidePort: portNumber().optional().describe('Port inside the node (pat).'),
            line: z.number().int().min(0).max(31).optional().describe('Serial line of the node.'),
          }),
        )
        .max(50),
      'name',
    )
      .optional()
      .describe('Ports to open on the host. Absent: read from the tags of the topology.'),
    grading: z
      .object({
        rulesUri: text(2048).describe('Where the rules are; for the GradingEngine, the controller does not read them.'),
        cutScore: z.number().min(0).optional().describe('Score from which a result counts as passed, where the result does not say so itself.'),
        onFailure: z.enum(['Stop', 'Hold', 'Retry']).default('Stop').describe('When grading fails: Stop ends, Retry grades up to two more times, Hold keeps the lab until somebody acts.'),
      })
      .optional()
      .describe('How the lab is graded. Absent: collection and grading are skipped.'),
    maxDuration: rules(duration(), between('maxDuration', '1m', '24h')).describe('Longest time a candidate may work, 1m to 24h.'),
    maxExtension: rules(duration(), between('maxExtension', '0s', '24h')).default('30m').describe('Longest extension of a booked slot.'),
    warmPool: z.object({ size: z.number().int().min(0).max(100).default(0).describe('Imported, never started labs to keep ready.') }).default({ size: 0 }).describe('Labs kept imported so that a session starts faster.'),
    labReuse: z.boolean().default(true).describe('Keep a wiped lab on its host and use it again for the same version.'),
    bootLeadTime: rules(duration(), between('bootLeadTime', '0s', '24h')).default('15m').describe('How long before the slot the lab is started.'),
    noShowTimeout: rules(duration(), between('noShowTimeout', '0s', '24h')).default('30m').describe('How long a Ready session waits for its candidate; 0s waits to the end of the slot.'),
    devices: listMap(
      z
        .array(
          z.object({
            label: text(128).describe('Label of the node.'),
            visible: z.boolean().optional().describe('Shown to the candidate? Absent: as the tag hidden and the kind of the node say.'),
            credentialsSecretRef: secretKeyRef().optional().describe('Password of the device, from a Secret of this namespace.'),
          }),
        )
        .max(64),
      'label',
    )
      .optional()
      .describe('How devices are shown to the candidate, where the topology does not say it.'),
    ldsOptional: z.boolean().default(false).describe('A session may become Ready without its LDS page.'),
    extractOnStop: z.boolean().default(true).describe('Read the configurations of the nodes before the lab is stopped.'),
    pipelines: z
      .object({
        instantiate: pipelinePatch.optional().describe('Changes to the pipeline that makes the lab ready.'),
        collectEvidence: pipelinePatch.optional().describe('Changes to the pipeline that captures the evidence.'),
        computeGrading: pipelinePatch.optional().describe('Changes to the pipeline that has the lab graded.'),
        teardown: pipelinePatch.optional().describe('Changes to the pipeline that removes the lab.'),
      })
      .optional()
      .describe('Changes to the standard pipelines.'),
  })
  .describe('What the lab is. The controller never changes it.');

/** Every field of the spec but the size of the warm pool is part of what a version means. */
const VERSIONED = Object.keys(labletDefinitionSpec.shape).filter((field) => field !== 'warmPool');
// Optional fields cannot be compared whole (`self.?x == oldSelf.?x` is refused for its cost), hence has().
const UNCHANGED = VERSIONED.map((f) => `has(self.spec.${f}) == has(oldSelf.spec.${f}) && (!has(self.spec.${f}) || self.spec.${f} == oldSelf.spec.${f})`).join(' && ');

/** Versions only move forward (contract §1.1). A text that is no semantic version has its own message. */
export const labletDefinitionRules: readonly CelRule[] = [
  {
    rule: `!isSemver(self.spec.version) || (${UNCHANGED}) || semver(self.spec.version).isGreaterThan(semver(oldSelf.spec.version))`,
    message: 'spec.version must be raised: every change of the spec other than warmPool makes a new version',
    messageExpression: `'spec.version must be raised above ' + oldSelf.spec.version + ': every change of the spec other than warmPool makes a new version'`,
    fieldPath: '.spec.version',
  },
  {
    rule: '!isSemver(self.spec.version) || self.spec.version == oldSelf.spec.version || !has(self.status) || !has(self.status.currentVersion) || semver(self.spec.version).isGreaterThan(semver(self.status.currentVersion))',
    message: 'spec.version must be greater than status.currentVersion, a version that was detected from changed content',
    messageExpression: `'spec.version must be greater than ' + self.status.currentVersion + ', the version in status.currentVersion'`,
    fieldPath: '.spec.version',
  },
];

export const labletDefinitionStatus = z
  .object({
    observedGeneration: z.number().int().min(0).optional().describe('metadata.generation that this status speaks of.'),
    currentVersion: semver().optional().describe('The newest Active version; new sessions use it.'),
    nodeCount: z.number().int().min(0).optional().describe('Nodes of the topology, for the licence.'),
    ports: z
      .array(
        z.object({
          name: text(128).describe('Name of the port.'),
          node: text(128).describe('Label of the node.'),
          protocol: text(16).describe('What speaks on the port.'),
          inside: portNumber().optional().describe('Port inside the node.'),
          line: z.number().int().min(0).optional().describe('Serial line.'),
        }),
      )
      .max(50)
      .optional()
      .describe('Ports that a lab of the current version gets.'),
    versions: listMap(
      z
        .array(
          z.object({
            version: semver().describe('The version.'),
            sha256: sha256().describe('SHA-256 of its topology.'),
            state: z.enum(['Active', 'Deprecated']).describe('Active: new sessions may use it. Deprecated: it serves the sessions pinned to it.'),
            replacedBy: semver().optional().describe('The version that replaced it.'),
            revision: text(253).optional().describe('Name of the ControllerRevision that holds it.'),
            sessions: z.number().int().min(0).optional().describe('Live sessions pinned to it.'),
          }),
        )
        .max(64),
      'version',
    )
      .optional()
      .describe('Versions that are known.'),
    warmPool: z
      .object({
        desired: z.number().int().min(0).describe('Wanted labs.'),
        ready: z.number().int().min(0).describe('Labs that are ready to be used.'),
      })
      .optional()
      .describe('The warm pool as it is.'),
    lastSyncTime: time().optional().describe('When the topology was last read.'),
    ...emitterStatus,
    conditions: conditions(),
  })
  .describe('What the controller found out.');

export type LabletDefinitionSpec = z.output<typeof labletDefinitionSpec>;
export type LabletDefinitionStatus = z.output<typeof labletDefinitionStatus>;
export interface LabletDefinition extends KubeObject {
  spec: LabletDefinitionSpec;
  status?: LabletDefinitionStatus;
}
