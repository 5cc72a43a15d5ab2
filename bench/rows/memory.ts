/** Resident memory with a full cache: sessions and workers that are paused, so that nothing but keeping them is measured. */
import { setTimeout as sleep } from 'node:timers/promises';
import { ANNOTATIONS } from '../../src/api/group.ts';
import { LABLET_SESSIONS, WORKERS } from '../../src/api/kinds.ts';
import type { LabletSessionStatus } from '../../src/api/labletsession.ts';
import { readMetrics } from '../support/metrics.ts';
import { sessionSpec, worker } from '../support/manifests.ts';
import { atMost, inParallel, type Bench } from '../support/row.ts';
import { NAMESPACE, startBenchWorld } from '../support/world.ts';

const WRITERS = 32;
const STATUS_BYTES = 8 * 1024;
/** Lists are parsed and garbage is collected by then. */
const SETTLE_MS = 20_000;
const paused = { annotations: { [ANNOTATIONS.paused]: 'bench' } };

export const memory: Bench = {
  name: 'memory',
  async run({ cachedSessions, cachedWorkers }, say) {
    const world = await startBenchWorld({ hosts: 1, say });
    const { client } = world;
    try {
      await inParallel(Array.from({ length: cachedWorkers }), WRITERS, async (_, index) => {
        const { metadata, spec } = worker(`full-${index}`, 'http://127.0.0.1:9');
        await client.create(WORKERS, { metadata: { ...metadata, ...paused }, spec });
        await client.mergePatch(WORKERS, metadata.name, undefined, { status: { phase: 'Running', sessions: 10, labs: 10, foreignPorts: Array.from({ length: 64 }, (_unused, port) => 7_000 + port) } }, { subresource: 'status' });
      });
      await inParallel(Array.from({ length: cachedSessions }), WRITERS, async (_, index) => {
        const name = `full-${index}`;
        await client.create(LABLET_SESSIONS, { metadata: { name, namespace: NAMESPACE, ...paused }, spec: sessionSpec(name) }, { namespace: NAMESPACE });
        await client.mergePatch(LABLET_SESSIONS, name, NAMESPACE, { status: fullStatus(index, cachedWorkers) }, { subresource: 'status' });
      });
      say(`memory: ${cachedSessions} sessions and ${cachedWorkers} workers are stored`);
      const controller = await world.run();
      const first = await readMetrics(controller.opsUrl);
      await sleep(SETTLE_MS);
      const { residentMiB } = await readMetrics(controller.opsUrl);
      say(`memory: ${first.residentMiB.toFixed(0)} MiB when ready, ${residentMiB.toFixed(0)} MiB ${SETTLE_MS / 1000} s later`);
      return [atMost(`resident memory with ${cachedSessions} live sessions (8 kB of status) and ${cachedWorkers} workers`, Math.max(first.residentMiB, residentMiB), 'MiB', 512)];
    } finally {
      await world.stop();
    }
  },
};

/** A session in the middle of its life, whose history fills 8 kB. */
function fullStatus(index: number, workers: number): LabletSessionStatus {
  const at = new Date().toISOString();
  const uuid = (part: number): string => `00000000-0000-4000-8000-${String(index * 10 + part).padStart(12, '0')}`;
  const status: LabletSessionStatus = {
    phase: 'Running', definitionVersion: '1.0.0', workerName: `full-${index % workers}`, labName: `campus-edge-s-${index}`, cmlLabId: uuid(1), startedAt: at, scheduledAt: at, readyAt: at,
    allocatedPorts: { PORT_EDGE_R1_SERIAL: 2_000, PORT_EDGE_R2_SERIAL: 2_001, PORT_WORKSTATION_SERIAL: 2_002, PORT_WORKSTATION_VNC: 2_003 },
    userSession: { id: uuid(2), ldsSessionId: uuid(3), partNum: 1, state: 'Active', startedAt: at, devices: ['edge-r1', 'edge-r2', 'workstation'].map((name, device) => ({ name, protocol: 'telnet', host: '192.0.2.10', port: 2_000 + device })) },
    conditions: ['Scheduled', 'LabReady', 'Ready'].map((type) => ({ type, status: 'True' as const, reason: 'Bench', message: 'As it should be.', lastTransitionTime: at })),
    history: [],
  };
  const entry = { from: 'Ready', to: 'Running', at, reason: `Bench${index}`, actor: 'bench', row: 'T9', eventId: uuid(4).repeat(2) };
  while (JSON.stringify(status).length < STATUS_BYTES && (status.history?.length ?? 0) < 50) status.history?.push(entry);
  return status;
}
