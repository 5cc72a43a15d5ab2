import express, { type Express, type RequestHandler } from 'express';
import { Faults } from '../common/faults.ts';
import { inspectionRoutes } from '../common/inspection.ts';
import { Journal } from '../common/journal.ts';
import { TokenIssuer } from '../common/jwt.ts';
import { listen } from '../common/listen.ts';
import { resolveOptions, type ResolvedOptions, type SimulatorOptions } from '../common/options.ts';
import { randomUuid, seededRandom } from '../common/random.ts';
import { answerErrors, COMMON_FAULTS, commonFaults, HttpProblem, notSimulated, recordCalls } from '../common/web.ts';
import { CmlHost } from './host.ts';
import { Licensing, type LicenseKind } from './licensing.ts';
import { PortService } from './patty.ts';
import { claimPorts, type PortClash, type PortWindow } from './ports.ts';
import { authRoutes } from './routes/auth.ts';
import { cmlInspectionRoutes } from './routes/inspection.ts';
import { labRoutes } from './routes/labs.ts';
import { nodeRoutes } from './routes/nodes.ts';
import { systemRoutes } from './routes/system.ts';
import { Users } from './users.ts';

/** Faults that `--fault` and `POST /sim/fault` know. */
const CML_FAULTS = [...COMMON_FAULTS, 'http401', 'lost-lab', 'never-converge', 'import-400', 'start-400'] as const;

export interface CmlOptions extends SimulatorOptions {
  /** Controller version, default 2.9.1+build.4. From 2.10 on `/authentication` takes the place of `/authok`. */
  version?: string;
  /** Simulated ms from start to boot of a node (each node ±25 %), default 0; `nodeBootDelayMs` by node definition. */
  bootDelayMs?: number;
  nodeBootDelayMs?: Readonly<Record<string, number>>;
  /** Simulated ms from the order to stop until the nodes are down; default a tenth of the boot delay. */
  stopDelayMs?: number;
  /** Nodes beyond the capacity wait QUEUED. Defaults: 48 vCPUs, 192 GiB. */
  cpus?: number;
  memoryMiB?: number;
  /** Default enterprise. */
  license?: LicenseKind;
  /** Real ms until a licence registration is complete, default 1000. */
  registrationMs?: number;
  /** Real ms until a token expires, default 8 h. */
  tokenLifetimeMs?: number;
  /** Simulated ms from the start until `ready` is true, default 0. */
  readyAfterMs?: number;
  /** Really listen on the ports that running nodes are tagged with; default false. */
  servePorts?: boolean;
  /** Default 2000–7999. */
  portWindow?: PortWindow;
}

/** What the routes of one simulator share. */
export interface Cml {
  readonly options: ResolvedOptions;
  readonly settings: { readonly capacity: { cpus: number; memoryMiB: number }; readonly portWindow: PortWindow; readonly computeId: string };
  readonly host: CmlHost;
  readonly users: Users;
  readonly tokens: TokenIssuer;
  readonly licensing: Licensing;
  readonly faults: Faults;
  readonly newAuthentication: boolean;
  /** Every clash of ports since the start or the last reset, also those that are over. */
  readonly clashesSeen: PortClash[];
}

export interface CmlSimulator {
  readonly seed: string;
  readonly app: Express;
  /** The labs on the host, for a look from inside the process. */
  readonly host: CmlHost;
  /** Starts to serve. Returns the base URL, without `/api/v0`. */
  listen(): Promise<string>;
  close(): Promise<void>;
}

/** A CML controller over HTTP, as the public Python client and the operator use it. */
export function createCmlSimulator(input: CmlOptions = {}): CmlSimulator {
  const options = resolveOptions(input);
  const version = input.version ?? '2.9.1+build.4';
  const { now, seed } = options;
  const startedAt = now();
  const journal = new Journal();
  const faults = new Faults(CML_FAULTS, options.faults, seed);
  const licensing = new Licensing(input.license ?? 'enterprise', input.registrationMs ?? 1_000, now);
  const capacity = { cpus: input.cpus ?? 48, memoryMiB: input.memoryMiB ?? 192 * 1024 };
  const bootDelayMs = input.bootDelayMs ?? 0;
  const host = new CmlHost({
    seed, now, faults, capacity, timeScale: options.timeScale, stopDelayMs: input.stopDelayMs ?? bootDelayMs / 10,
    bootDelay: (definition) => input.nodeBootDelayMs?.[definition] ?? bootDelayMs,
    nodeLimit: () => licensing.nodeLimit(),
  });
  const cml: Cml = {
    options, host, licensing, faults, users: new Users(options.user, seed), tokens: new TokenIssuer(input.tokenLifetimeMs ?? 8 * 3_600_000, now),
    settings: { capacity, portWindow: input.portWindow ?? { start: 2_000, end: 7_999 }, computeId: randomUuid(seededRandom(`${seed}/compute`)) },
    newAuthentication: !/^(?:[01]\.|2\.\d\.)/.test(version),
    clashesSeen: [],
  };
  const ports = new PortService(options.host, options.log);
  const reset = (): void => {
    for (const part of [host, licensing, faults, cml.users]) part.reset();
    journal.clear();
    cml.clashesSeen.length = 0;
    ports.close();
  };

  const app = express().disable('x-powered-by').disable('etag');
  app.use('/sim', cmlInspectionRoutes(cml), inspectionRoutes({ journal, faults, reset }));
  app.use(recordCalls(journal, now));
  const api = express.Router();
  api.use(commonFaults(faults, options.latencyMs));
  api.get('/system_information', (_request, response) => {
    response.json({ version, ready: now() - startedAt >= (input.readyAfterMs ?? 0) / options.timeScale, allow_ssh_pubkey_auth: false, oui: '52:54:00' });
  });
  api.use(staleTokens(faults), watchPorts(cml, ports, input.servePorts ?? false), authRoutes(cml), systemRoutes(cml), labRoutes(cml), nodeRoutes(cml));
  app.use('/api/v0', api);
  app.use(notSimulated(options.log), answerErrors((code, description) => ({ code, description })));

  let close = async (): Promise<void> => Promise.resolve();
  return {
    seed, app, host,
    async listen() {
      const listening = await listen(app, options);
      close = () => listening.close();
      return listening.url;
    },
    async close() {
      ports.close();
      await close();
    },
  };
}

/** The fault `http401`: a good token is refused once in a while, as after a restart of the controller. */
function staleTokens(faults: Faults): RequestHandler {
  return (request, _response, next) => {
    if (request.headers.authorization !== undefined && faults.strikes('http401', `${request.method} ${request.originalUrl}`)) {
      throw new HttpProblem(401, 'injected fault: http401');
    }
    next();
  };
}

/** After every change that can move ports: reports new clashes and, when asked to, opens and closes ports. */
function watchPorts({ host, settings, clashesSeen, options }: Cml, ports: PortService, serve: boolean): RequestHandler {
  const known = (clash: PortClash): boolean =>
    clashesSeen.some(({ port, loser }) => port === clash.port && loser.lab === clash.loser.lab && loser.node === clash.loser.node);
  return (request, response, next) => {
    response.once('close', () => {
      if (request.method === 'GET' && !serve) return;
      const { served, clashes } = claimPorts(host.labs(), settings.portWindow);
      for (const clash of clashes.filter((one) => !known(one))) {
        clashesSeen.push(clash);
        options.log('two running labs claim the same port', { ...clash });
      }
      if (serve) ports.follow(served);
    });
    next();
  };
}
