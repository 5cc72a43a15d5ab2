/** The simulators as processes: `npm run sim -- cml|lds|grading|ec2 --help`. */
import { readFileSync } from 'node:fs';
import { Command, InvalidArgumentError, Option } from 'commander';
import pino from 'pino';
import { createCmlSimulator } from './cml/simulator.ts';
import { LICENSES, type LicenseKind } from './cml/licensing.ts';
import type { EventMode } from './common/event-sender.ts';
import type { FaultSwitch } from './common/faults.ts';
import type { SimulatorOptions } from './common/options.ts';
import { runProcess, type Runnable } from './common/process.ts';
import { loadScript } from './common/script.ts';
import { parseDuration, timeScaleOf } from './common/time.ts';
import { createEc2Simulator } from './ec2/simulator.ts';
import { createGradingSimulator } from './grading/simulator.ts';
import { createLdsSimulator } from './lds/simulator.ts';

interface CommonFlags {
  port: number;
  host: string;
  seed?: string;
  fault: FaultSwitch[];
  latency: number;
  user: string;
  password: string;
  tlsCert?: string;
  tlsKey?: string;
  exitWithParent: boolean;
}

interface CmlFlags extends CommonFlags {
  version: string;
  bootDelay: number;
  stopDelay?: number;
  readyAfter: number;
  cpu: number;
  memory: number;
  license: LicenseKind;
  tokenLifetime: number;
  servePorts: boolean;
}

interface EventFlags extends CommonFlags {
  eventsTo?: string;
  eventMode: EventMode;
  eventDelay: number;
  script?: string;
}

interface GradingFlags extends EventFlags {
  scoreShape: 'flat' | 'nested';
  tokenLifetime: number;
}

interface Ec2Flags extends CommonFlags {
  upstream: string;
  transition: number;
  firstAddress: string;
  image: string[];
  cmlPort?: number;
  cmlBoot: number;
  bootDelay: number;
  license: LicenseKind;
}

/** Makes a reader's error one of the command line: its message, without a stack. */
function argument<T>(reader: (text: string) => T): (text: string) => T {
  return (text) => {
    try {
      return reader(text);
    } catch (error) {
      throw new InvalidArgumentError(error instanceof Error ? error.message : String(error));
    }
  };
}

const aDuration = argument(parseDuration);
const aNumber = argument((text) => {
  const value = Number(text);
  if (!Number.isFinite(value) || value < 0) throw new RangeError('a number of 0 or more is needed');
  return value;
});
const aPort = argument((text) => {
  const port = Number(text);
  if (!Number.isInteger(port) || port < 0 || port > 65_535) throw new RangeError('a port is 0 (any free one) to 65535');
  return port;
});
const aMemory = argument((text) => {
  const [, amount, unit] = /^(\d+)(Mi|Gi)$/.exec(text) ?? [];
  if (amount === undefined) throw new RangeError('write for example 4096Mi or 192Gi');
  return Number(amount) * (unit === 'Gi' ? 1_024 : 1);
});
const aFault = argument((text) => {
  const [, name, rate] = /^([a-z0-9-]+)=([\d.]+)$/.exec(text) ?? [];
  if (name === undefined || !(Number(rate) >= 0 && Number(rate) <= 1)) throw new RangeError('write NAME=RATE with a rate of 0 to 1, for example http500=0.1');
  return { name, rate: Number(rate) };
});

function command(name: string, description: string): Command {
  return new Command(name)
    .description(description)
    .option('--port <port>', 'port to listen on, 0 for any free one', aPort, 0)
    .option('--host <address>', 'address to listen on', '127.0.0.1')
    .option('--seed <text>', 'feeds every random choice (default: a new one, shown when ready)')
    .option('--fault <name=rate>', 'share of the calls that a fault hits; repeatable', (text, all: FaultSwitch[]) => [...all, aFault(text)], [])
    .option('--latency <duration>', 'every answer waits for so long', aDuration, 0)
    .option('--user <name>', 'login', 'admin')
    .option('--password <text>', 'password of the login', 'secret')
    .option('--tls-cert <file>', 'PEM certificate: speak https')
    .option('--tls-key <file>', 'PEM key of the certificate')
    .option('--exit-with-parent', 'end when standard input ends', false);
}

function withEvents(base: Command): Command {
  return base
    .option('--events-to <url>', 'where CloudEvents are posted')
    .addOption(new Option('--event-mode <mode>', 'how they are encoded').choices(['binary', 'structured']).default('binary'))
    .option('--event-delay <duration>', 'how long the faults delay and reorder hold an event back', aDuration, 2_000)
    .option('--script <file>', 'how candidates behave and are graded, YAML or JSON');
}

const logger = pino(pino.destination(2));
const timeScale = (): number => argument(() => timeScaleOf(process.env))('');

function common(flags: CommonFlags): SimulatorOptions {
  const { tlsCert, tlsKey, port, host, seed, user, password } = flags;
  if ((tlsCert === undefined) !== (tlsKey === undefined)) throw new InvalidArgumentError('--tls-cert and --tls-key belong together');
  return {
    port, host, user, password, faults: flags.fault, latencyMs: flags.latency, timeScale: timeScale(),
    ...(seed !== undefined && { seed }),
    ...(tlsCert !== undefined && tlsKey !== undefined && { tls: { cert: readFileSync(tlsCert, 'utf8'), key: readFileSync(tlsKey, 'utf8') } }),
    log: (message, fields) => logger.warn(fields ?? {}, message),
  };
}

const events = ({ eventsTo, eventMode, eventDelay }: EventFlags): { eventsTo?: string; eventMode: EventMode; eventDelayMs: number } => ({
  eventMode,
  eventDelayMs: eventDelay,
  ...(eventsTo !== undefined && { eventsTo }),
});

const run = async (flags: CommonFlags, sim: string, simulator: Runnable): Promise<void> => runProcess(sim, simulator, flags.exitWithParent);

const cml = command('cml', 'a CML controller')
  .option('--version <version>', 'version of the controller, 2.8 to 2.10', '2.9.1+build.4')
  .option('--boot-delay <duration>', 'from start to boot of a node, ±25 %', aDuration, 3_000)
  .option('--stop-delay <duration>', 'from the order to stop until nodes are down (default: a tenth of the boot delay)', aDuration)
  .option('--ready-after <duration>', 'from the start of the process until the controller is ready', aDuration, 0)
  .option('--cpu <vcpus>', 'capacity; nodes beyond it wait', aNumber, 48)
  .option('--memory <quantity>', 'capacity, for example 192Gi', aMemory, 192 * 1_024)
  .addOption(new Option('--license <kind>', 'personal allows 20 running nodes, none allows none').choices(LICENSES).default('enterprise'))
  .option('--token-lifetime <duration>', 'until a login expires', aDuration, 8 * 3_600_000)
  .option('--serve-ports', 'really listen on the ports that running nodes are tagged with', false)
  .action(async (flags: CmlFlags) => run(flags, 'cml', createCmlSimulator({
    ...common(flags), version: flags.version, bootDelayMs: flags.bootDelay, readyAfterMs: flags.readyAfter, cpus: flags.cpu, memoryMiB: flags.memory,
    license: flags.license, tokenLifetimeMs: flags.tokenLifetime, servePorts: flags.servePorts, ...(flags.stopDelay !== undefined && { stopDelayMs: flags.stopDelay }),
  })));

const lds = withEvents(command('lds', 'a Lab Delivery System, with candidates'))
  .action(async (flags: EventFlags) => run(flags, 'lds', createLdsSimulator({
    ...common(flags), ...events(flags), ...(flags.script !== undefined && { rules: loadScript(flags.script).lds }),
  })));

const grading = withEvents(command('grading', 'a GradingEngine, with its token endpoint'))
  .addOption(new Option('--score-shape <shape>', 'how events carry the score').choices(['flat', 'nested']).default('flat'))
  .option('--token-lifetime <duration>', 'until an access token expires', aDuration, 3_600_000)
  .action(async (flags: GradingFlags) => run(flags, 'grading', createGradingSimulator({
    ...common(flags), ...events(flags), scoreShape: flags.scoreShape, tokenLifetimeMs: flags.tokenLifetime,
    ...(flags.script !== undefined && { rules: loadScript(flags.script).grading }),
  })));

const ec2 = command('ec2', 'EC2 before a moto server, with client tokens, delays, faults and other hands')
  .requiredOption('--upstream <url>', 'the moto server')
  .option('--transition <duration>', 'from a launch, start, stop or termination until it is done', aDuration, 0)
  .option('--image <name>', 'an image to register at the start; repeatable', (text: string, all: string[]) => [...all, text], [])
  .option('--first-address <address>', 'address of the first instance, the others follow', '127.20.0.1')
  .option('--cml-port <port>', 'every running instance serves a simulated CML on this port of its address', aPort)
  .option('--cml-boot <duration>', 'from a running instance until its CML is ready', aDuration, 0)
  .option('--boot-delay <duration>', 'from start to boot of a node there', aDuration, 3_000)
  .addOption(new Option('--license <kind>', 'licence of each CML; none waits for a registration').choices(LICENSES).default('none'))
  .action(async (flags: Ec2Flags) => run(flags, 'ec2', createEc2Simulator({
    ...common(flags), upstream: flags.upstream, transitionMs: flags.transition, images: flags.image, firstAddress: flags.firstAddress,
    cml: { user: flags.user, password: flags.password, readyAfterMs: flags.cmlBoot, bootDelayMs: flags.bootDelay, license: flags.license },
    ...(flags.cmlPort !== undefined && { cmlPort: flags.cmlPort }),
  })));

const program = new Command('sim').description('Simulators of the systems around the controller').addCommand(cml).addCommand(lds).addCommand(grading).addCommand(ec2);

try {
  await program.parseAsync();
} catch (error) {
  process.stderr.write(`sim: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
