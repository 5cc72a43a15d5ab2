/** Lab: one topology on one Worker's CML, bound to at most one session at a time (contract §1.3). */
import { z } from 'zod';
import { PORT_PROTOCOLS } from './labletdefinition.ts';
import { conditions, listMap, objectName, portNumber, rules, semver, sha256, text, time, uuid } from './schema.ts';
import type { KubeObject } from './meta.ts';

/** A Lab without status.state is Reserved: it owns ports, nothing stands on the host yet. */
export const LAB_STATES = [
  'Reserved', 'Importing', 'Defined', 'Starting', 'Booted', 'Stopping', 'Stopped', 'Wiping', 'Wiped', 'Deleting', 'Error', 'Orphaned',
] as const;
export type LabState = (typeof LAB_STATES)[number];

const port = z.object({
  name: text(128).describe('Name of the port, unique within the lab.'),
  node: text(128).describe('Label of the node.'),
  protocol: z.enum(PORT_PROTOCOLS).describe('What speaks on the port.'),
  inside: portNumber().optional().describe('Port inside the node (pat).'),
  line: z.number().int().min(0).max(31).optional().describe('Serial line of the node.'),
  number: portNumber().describe('Port on the host.'),
});

export const labSpec = rules(
  z.object({
    workerName: objectName().describe('Worker on whose CML the lab is.'),
    definitionRef: z
      .object({
        namespace: objectName().describe('Namespace of the LabletDefinition.'),
        name: objectName().describe('Name of the LabletDefinition.'),
        version: semver().describe('Version of the LabletDefinition.'),
      })
      .describe('What the lab was made from.'),
    topologySha256: sha256().describe('SHA-256 of the topology before the ports were filled in.'),
    ports: listMap(z.array(port).max(50), 'name').describe('Ports on the host, allocated once and kept until the lab is gone.'),
    title: text(64).describe('Title on the CML host; it names us as the maker.'),
    source: z.enum(['Import', 'WarmPool']).describe('Made for a session, or for the warm pool.'),
    sessionRef: z
      .object({
        namespace: objectName().describe('Namespace of the LabletSession.'),
        name: objectName().describe('Name of the LabletSession.'),
        uid: uuid().describe('uid of the LabletSession.'),
      })
      .optional()
      .describe('The claim: the session that alone may act on the lab. Absent: the lab is free.'),
  }),
  {
    rule: 'self.workerName == oldSelf.workerName && self.definitionRef == oldSelf.definitionRef && self.topologySha256 == oldSelf.topologySha256 && self.ports == oldSelf.ports && self.title == oldSelf.title && self.source == oldSelf.source',
    message: 'only sessionRef of a Lab can change; a Lab is written by the controller, delete it to be rid of it',
  },
  {
    // As with a PersistentVolume's claimRef: two sessions can never both believe that the lab is theirs.
    rule: '!has(self.sessionRef) || !has(oldSelf.sessionRef) || self.sessionRef == oldSelf.sessionRef',
    message: 'a claimed Lab must be released (sessionRef removed) before another session can claim it',
  },
).describe('What the lab is and who has claimed it. Written by the controller.');

export const labStatus = z
  .object({
    state: z.enum(LAB_STATES).optional().describe('Where the lab is in its life; absent: Reserved.'),
    cmlLabId: uuid().optional().describe('Id of the lab on the CML host.'),
    since: time().optional().describe('When the state was entered.'),
    message: z.string().max(1024).optional().describe('What is wrong, for people.'),
    runs: z
      .array(
        z.object({
          sessionUid: uuid().describe('uid of the session.'),
          startedAt: time().describe('When the lab was started for it.'),
          stoppedAt: time().optional().describe('When the lab was stopped.'),
          durationSeconds: z.number().int().min(0).optional().describe('Seconds between them.'),
          reason: text(256).optional().describe('Why it was stopped.'),
        }),
      )
      .max(50)
      .optional()
      .describe('Newest runs.'),
    conditions: conditions(),
  })
  .describe('What stands on the CML host.');

export type LabSpec = z.output<typeof labSpec>;
export type LabStatus = z.output<typeof labStatus>;
export interface Lab extends KubeObject {
  spec: LabSpec;
  status?: LabStatus;
}
/** State of a Lab, Reserved where none was written yet. */
export const labState = (lab: Lab): LabState => lab.status?.state ?? 'Reserved';
