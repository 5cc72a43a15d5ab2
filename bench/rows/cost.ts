/** What a session costs the API server, counted in its audit log: writes of its objects, Kubernetes Events, counters. */
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { isSettled } from '../../hack/demo/expect.ts';
import { atMost, type Bench } from '../support/row.ts';
import { CONTROLLER, startBenchWorld, SYSTEM } from '../support/world.ts';

/** Counters are written once in so long. */
const WINDOW_MS = 5_000;
/** Long enough for a second write of the counters, should there be one. */
const AFTERMATH_MS = 7_000;

const entrySchema = z.object({
  requestReceivedTimestamp: z.string(),
  user: z.object({ username: z.string() }),
  objectRef: z.object({ resource: z.string(), namespace: z.string().optional(), name: z.string().optional() }),
});
type Entry = z.infer<typeof entrySchema>;

export const cost: Bench = {
  name: 'cost',
  async run({ countedSessions }, say) {
    const world = await startBenchWorld({ hosts: 1, audit: true, say });
    try {
      await world.run();
      await world.addWorkers(world.outside.cml);
      // The counters of what has just been set up are written before the first session.
      await sleep(WINDOW_MS);
      const before = entries(world.controlPlane.auditLog).length;
      const names = Array.from({ length: countedSessions }, (_, index) => `cost-${index}`);
      const settled = world.until('archived, with their events acknowledged', names.length, isSettled);
      for (const name of names) {
        await world.createSessions([name]);
        await sleep(WINDOW_MS / names.length);
      }
      await settled;
      await sleep(AFTERMATH_MS);
      const all = entries(world.controlPlane.auditLog).slice(before);
      const of = (...resources: string[]): Entry[] => all.filter(({ objectRef }) => resources.includes(objectRef.resource));
      return [
        atMost(`API writes per session (mean of ${names.length})`, of('labletsessions', 'labs', 'scorereports', 'secrets').length / names.length, 'writes', 24),
        atMost(`Kubernetes Events per session (mean of ${names.length})`, of('events').length / names.length, 'events', 6),
        atMost('writes of one Worker or LabletDefinition in 5 s', densest(of('workers', 'labletdefinitions')), 'writes', 1),
      ];
    } finally {
      await world.stop();
    }
  },
};

/** The writes of the controller, in order. */
function entries(auditLog: string): Entry[] {
  const user = `system:serviceaccount:${SYSTEM}:${CONTROLLER}`;
  const lines = readFileSync(auditLog, 'utf8').split('\n').filter((line) => line.includes(user) && !/"verb":"(get|list|watch)"/.test(line));
  return lines.map((line) => entrySchema.parse(JSON.parse(line))).filter((entry) => entry.user.username === user);
}

/** Most writes of one object in a window of 5 s. */
function densest(writes: readonly Entry[]): number {
  const byObject = Map.groupBy(writes, ({ objectRef }) => `${objectRef.resource}/${objectRef.namespace ?? ''}/${objectRef.name ?? ''}`);
  return Math.max(0, ...[...byObject.values()].flatMap((same) => {
    const times = same.map(({ requestReceivedTimestamp }) => Date.parse(requestReceivedTimestamp)).sort((a, b) => a - b);
    return times.map((from, index) => times.slice(index).filter((time) => time < from + WINDOW_MS).length);
  }));
}
