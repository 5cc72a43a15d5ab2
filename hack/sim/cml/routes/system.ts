import { json, Router } from 'express';
import { z } from 'zod';
import { read } from '../../common/web.ts';
import { nodeDefinitions } from '../definitions.ts';
import type { Cml } from '../simulator.ts';

const registration = z.object({ token: z.string(), reregister: z.boolean().default(false) });
const MIB = 1024 ** 2;
const DISK = 500 * 1024 ** 3;

/** The host itself: health, load, licence, users, definitions, telemetry. */
export function systemRoutes({ host, licensing, users, settings }: Cml): Router {
  const router = Router();
  const body = json({ type: () => true, strict: false });
  const compute = { hostname: 'cml-controller', is_controller: true, valid: true, kvm_vmx_enabled: true, enough_cpus: true, refplat_images_available: true, lld_connected: true, admission_state: 'READY' };
  const load = (): Record<string, unknown> => {
    const { cpus, memoryMiB } = settings.capacity;
    const used = host.usage();
    return {
      cpu: { count: cpus, percent: Math.min(100, (100 * used.cpus) / cpus), load: [used.cpus, used.cpus, used.cpus] },
      memory: { total: memoryMiB * MIB, used: used.memoryMiB * MIB, free: (memoryMiB - used.memoryMiB) * MIB },
      disk: { total: DISK, used: DISK / 10, free: DISK - DISK / 10 },
    };
  };
  router.get('/system_health', (_request, response) => {
    response.json({
      valid: true, is_licensed: licensing.registered, is_enterprise: licensing.enterprise,
      computes: { [settings.computeId]: compute }, controller: { core_connected: true, nodes_loaded: true, images_loaded: true, valid: true },
    });
  });
  router.get('/system_stats', (_request, response) => {
    const all = load();
    response.json({ all, computes: { [settings.computeId]: { hostname: compute.hostname, is_controller: true, stats: all } }, controller: { disk: all['disk'] } });
  });
  router.get('/licensing', (_request, response) => {
    response.json(licensing.status());
  });
  router.put('/licensing/product_license', body, (request, response) => {
    licensing.setProduct(request.body);
    response.status(204).end();
  });
  router.post('/licensing/registration', body, (request, response) => {
    licensing.register(read(registration, request.body).token);
    response.status(204).end();
  });
  router.delete('/licensing/deregistration', (_request, response) => {
    licensing.deregister();
    response.status(204).end();
  });
  router.get('/users', (_request, response) => {
    response.json(users.list().map((user) => ({ ...user, fullname: '', email: '', description: '', groups: [], labs: [] })));
  });
  router.get('/simplified_node_definitions', (_request, response) => {
    response.json(nodeDefinitions().map(({ id, images, ramMiB, cpus }) => ({ id, image_definitions: images, ui: { label: id }, sim: { ram: ramMiB, cpus } })));
  });
  router.get('/telemetry/events', (_request, response) => {
    response.json(host.telemetry());
  });
  return router;
}
