import { z } from 'zod';
import type {
  CmlHealth,
  CmlLab,
  CmlLicensing,
  CmlNode,
  CmlStats,
  CmlSystemInformation,
  CmlTelemetryEvent,
  CmlTopology,
} from './port.ts';

/**
 * CML's answers (contract §13.1), each turned into the port's terms. Only what is used is asked for: a newer CML
 * may add keys, and a state that we do not know reads as UNKNOWN and does not break the rest of a list.
 */
const unknownState = z.string().transform(() => 'UNKNOWN' as const);
const labState = z.union([z.enum(['DEFINED_ON_CORE', 'STOPPED', 'STARTED']), unknownState]);
const nodeState = z.union([z.enum(['DEFINED_ON_CORE', 'STOPPED', 'STARTED', 'QUEUED', 'BOOTED', 'DISCONNECTED']), unknownState]);
const text = z.string().nullish().transform((value) => value ?? '');

export const systemInformation = z.object({ version: z.string().min(1), ready: z.boolean() }) satisfies z.ZodType<CmlSystemInformation>;

/** POST /auth_extended: the token, and who it makes us. */
export const authentication = z.object({ id: z.string().min(1), token: z.string().min(1) });

export const bareString = z.string().min(1);
export const bareBoolean = z.boolean();
export const bareIds = z.array(z.string().min(1));

export const health = z
  .object({
    valid: z.boolean(),
    is_licensed: z.boolean(),
    is_enterprise: z.boolean(),
    computes: z.record(z.string(), z.object({ hostname: text, valid: z.boolean(), is_controller: z.boolean(), kvm_vmx_enabled: z.boolean().nullish() })),
  })
  .transform(
    (answer): CmlHealth => ({
      valid: answer.valid,
      licensed: answer.is_licensed,
      enterprise: answer.is_enterprise,
      computes: Object.values(answer.computes).map((compute) => ({ hostname: compute.hostname, valid: compute.valid, controller: compute.is_controller, virtualization: compute.kvm_vmx_enabled ?? false })),
    }),
  );

const bytes = z.object({ used: z.number(), free: z.number(), total: z.number() });
export const stats = z
  .object({ all: z.object({ cpu: z.object({ count: z.number(), percent: z.number() }), memory: bytes, disk: bytes }) })
  .transform(({ all }): CmlStats => all);

export const licensing = z
  .object({
    registration: z.object({ status: text }),
    authorization: z.object({ status: text }),
    product_license: z.object({ active: text, is_enterprise: z.boolean() }),
  })
  .transform(
    (answer): CmlLicensing => ({
      registration: answer.registration.status,
      authorization: answer.authorization.status,
      product: answer.product_license.active,
      enterprise: answer.product_license.is_enterprise,
    }),
  );

export const nodeDefinitions = z
  .array(z.object({ id: z.string().min(1), image_definitions: z.array(z.string()).nullish() }))
  .transform((answer) => answer.map((definition) => ({ id: definition.id, images: definition.image_definitions ?? [] })));

export const lab = z
  .object({ id: z.string().min(1), lab_title: text, state: labState, owner: text, owner_username: text, node_count: z.number().default(0), created: text })
  .transform((answer) => ({
    /** `owner` is a user id; the name beside it is the only other way to tell whose lab it is. */
    ownerName: answer.owner_username,
    lab: {
      id: answer.id,
      title: answer.lab_title,
      state: answer.state,
      owner: answer.owner,
      nodeCount: answer.node_count,
      created: answer.created,
    } satisfies Omit<CmlLab, 'ownedByUs'>,
  }));

export const imported = z.object({ id: z.string().min(1), warnings: z.array(z.string()).nullish().transform((value) => value ?? []) });

export const nodes = z.array(
  z
    .object({
      id: z.string().min(1),
      label: z.string(),
      node_definition: z.string(),
      state: nodeState,
      boot_progress: text,
      tags: z.array(z.string()).nullish(),
      serial_consoles: z.array(z.object({ console_key: text, label: text, device_number: z.number() })).nullish(),
    })
    .transform(
      (node): CmlNode => ({
        id: node.id,
        label: node.label,
        nodeDefinition: node.node_definition,
        state: node.state,
        bootProgress: node.boot_progress,
        tags: node.tags ?? [],
        consoles: (node.serial_consoles ?? []).map((console) => ({ key: console.console_key, label: console.label, line: console.device_number })),
      }),
    ),
);

/** A configuration is one text, or a list of named files. */
const configuration = z
  .union([z.string(), z.array(z.object({ name: z.string(), content: text }))])
  .nullish()
  .transform((value) => (typeof value === 'string' ? [{ name: 'Main', content: value }] : (value ?? [])));
const topologyParts = z.object({
  lab: z.object({ title: text }),
  nodes: z.array(
    z
      .object({ id: z.string(), label: z.string(), tags: z.array(z.string()).nullish(), configuration })
      .transform((node) => ({ id: node.id, label: node.label, tags: node.tags ?? [], configurations: node.configuration })),
  ),
  smart_annotations: z.array(z.object({ tag: text, label: text })).nullish(),
});
export const topology = z.record(z.string(), z.unknown()).transform((document, context): CmlTopology => {
  const parts = topologyParts.safeParse(document);
  if (!parts.success) {
    for (const issue of parts.error.issues) context.addIssue({ code: 'custom', message: issue.message, path: issue.path });
    return z.NEVER;
  }
  return { title: parts.data.lab.title, nodes: parts.data.nodes, smartAnnotations: parts.data.smart_annotations ?? [], document };
});

export const telemetryEvents = z
  .array(z.object({ category: z.string(), timestamp: z.union([z.string(), z.number()]), data: z.record(z.string(), z.unknown()).nullish() }))
  .transform((answer) =>
    answer.map(
      (event): CmlTelemetryEvent => ({
        category: event.category,
        // Newer versions write RFC 3339, older ones seconds since 1970.
        timestamp: typeof event.timestamp === 'string' ? event.timestamp : new Date(event.timestamp * 1000).toISOString(),
        data: event.data ?? {},
      }),
    ),
  );
