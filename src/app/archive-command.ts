/** `lablet-controller archive verify | replay`: for those who have to rely on the archive (docs/archive.md). */
import { Command, InvalidArgumentError } from 'commander';
import { LABLET_DEFINITIONS, LABLET_SESSIONS, WORKERS } from '../api/kinds.ts';
import { S3 } from '../clients/s3.ts';
import { headOf, linkOf, verifyLinks } from '../core/verify-chain.ts';
import { matches, readRecords, recordedAt, startOf } from '../events/archive/read.ts';
import { replay, ReplayError } from '../events/archive/replay.ts';
import { createSinks } from '../events/sinks.ts';
import { KubeClient } from '../kube/client.ts';
import { loadConnection } from '../kube/kubeconfig.ts';
import { objectKey } from '../kube/types.ts';
import { systemClock } from '../runtime/clock.ts';
import { openArchive } from './archive.ts';
import { readProxies } from './proxies.ts';
import { ConfigError, readConfig } from './config.ts';
import type { KnownHead, Link } from '../core/verify-chain.ts';
import type { ArchiveQuery } from '../events/archive/read.ts';
import type { EmittedRecordOf } from '../events/archive/replay.ts';
import type { ArchiveStore } from '../events/archive/store.ts';
import type { OutboxObject } from '../events/status-update.ts';
import type { Resource } from '../kube/types.ts';
import type { Config } from './config.ts';

interface Selection {
  readonly url?: string;
  readonly subject?: string;
  readonly since?: Date;
}

/** @param configFile value of the program's `--config` */
export function archiveCommand(configFile: () => string | undefined, print: (line: string) => void): Command {
  const common = (command: Command): Command => command
    .option('--url <url>', 'the archive; default: ARCHIVE_URL')
    .option('--subject <namespace/name>', 'only this object')
    .option('--since <time>', 'nothing recorded before, e.g. 2026-11-23T08:00:00Z', toTime);
  const within = async <T>(url: string | undefined, work: (store: ArchiveStore, config: Config) => Promise<T>): Promise<T> => {
    const config = readConfig(process.env, configFile());
    const chosen = url ?? config.ARCHIVE_URL;
    if (chosen === undefined) throw new ConfigError('which archive? Give --url or ARCHIVE_URL');
    const s3 = new S3({ endpoint: config.AWS_ENDPOINT_URL_S3, proxyEnv: readProxies(config).proxyEnv });
    return work(openArchive(chosen, s3), config).finally(() => s3.close());
  };

  const verify = common(new Command('verify'))
    .description('tells whether the archive still says what was recorded; exit code 1 if it does not')
    .option('--offline', 'do not compare with the heads in the status of the objects that are there')
    .action(async (options: Selection & { offline?: true }) => {
      const isClean = await within(options.url, async (store, config) => verifyArchive(store, options, options.offline === true ? new Map() : await headsOf(config), print));
      if (!isClean) process.exitCode = 1;
    });
  const again = common(new Command('replay'))
    .description('sends emitted events again, with the same ids; a launch URL is null, it is not in the archive')
    .requiredOption('--to <sink>', 'a sink as in CLOUDEVENTS_SINK_URL')
    .option('--type <type>', 'only this type; with * at its end all that begin so')
    .option('--until <time>', 'nothing recorded after', toTime)
    .option('--rate <n>', 'events a second at most', toRate, 50)
    .action(async (options: Selection & { to: string; type?: string; until?: Date; rate: number }) => {
      await within(options.url, async (store, config) => replayTo(store, options, config, print));
    });
  return new Command('archive').description('works with the archive of events (ARCHIVE_URL)').addCommand(verify).addCommand(again);
}

/** @returns is there no sign of tampering? */
async function verifyArchive(store: ArchiveStore, { subject, since }: Selection, heads: ReadonlyMap<string, Known>, print: (line: string) => void): Promise<boolean> {
  const chains = new Map<string, Link[]>();
  const names = new Map<string, string>();
  let [records, unreadable] = [0, 0];
  for await (const { segment, line, record } of readRecords(store, startOf(since), AbortSignal.timeout(86_400_000))) {
    if (!record) {
      unreadable += 1;
      print(`${segment} line ${line}: no record; if it was one, it is missed below`);
    } else if (matches(record, { subject })) {
      records += 1;
      const { uid, kind } = record.object;
      names.set(uid, `${kind} ${record.object.namespace === undefined ? '' : `${record.object.namespace}/`}${record.object.name}`);
      const chain = chains.get(uid) ?? [];
      chain.push(linkOf(record));
      chains.set(uid, chain);
    }
  }
  for (const [uid, { subject: name, kind }] of heads) {
    if (chains.has(uid) || (subject !== undefined && subject !== name)) continue;
    chains.set(uid, []);
    names.set(uid, `${kind} ${name}`);
  }
  let problems = 0;
  for (const [uid, links] of chains) {
    for (const { kind, message } of verifyLinks(links, heads.get(uid)?.head)) {
      // With --since the beginning is not looked at, and what retention removed is not missed.
      if (kind === 'missing-start' && since !== undefined) continue;
      if (kind !== 'given-up') problems += 1;
      print(`${names.get(uid) ?? uid} (${uid}): ${message} [${kind}]`);
    }
  }
  const headless = [...chains.keys()].filter((uid) => !heads.has(uid)).length;
  print(`${records} records of ${chains.size} objects, ${problems} problem(s)${unreadable > 0 ? `, ${unreadable} line(s) that are no records` : ''}`);
  if (headless > 0) print(`${headless} object(s) were not compared with a status: whether their last records were removed cannot be told`);
  return problems === 0;
}

interface Known {
  readonly kind: string;
  readonly subject: string;
  readonly head: KnownHead;
}

/** The heads before the archive is read: what is recorded meanwhile comes behind them. */
async function headsOf(config: Config): Promise<Map<string, Known>> {
  const client = new KubeClient(await loadConnection(config.KUBECONFIG === undefined ? {} : { kubeconfig: config.KUBECONFIG }));
  const heads = new Map<string, Known>();
  try {
    for (const resource of [LABLET_SESSIONS, LABLET_DEFINITIONS, WORKERS] as readonly Resource<OutboxObject>[]) {
      for (const object of (await client.list(resource)).items) {
        const head = headOf(object.status ?? {});
        if (head) heads.set(object.metadata.uid, { kind: resource.kind, subject: objectKey(object), head });
      }
    }
    return heads;
  } finally {
    await client.close();
  }
}

async function replayTo(store: ArchiveStore, { to, rate, until, ...query }: ArchiveQuery & { to: string; rate: number; until?: Date }, config: Config, print: (line: string) => void): Promise<void> {
  const [sink, ...more] = createSinks({ urls: to, mode: config.CLOUDEVENTS_MODE, eventGridKey: config.EVENTGRID_KEY, ...readProxies(config) });
  if (!sink || more.length > 0) throw new ConfigError('--to: give one sink');
  const { signal } = new AbortController();
  async function* chosen(): AsyncGenerator<EmittedRecordOf> {
    const seen = new Set<string>();
    for await (const { record } of readRecords(store, startOf(query.since), signal)) {
      if (record?.direction !== 'out' || !matches(record, query) || (until && new Date(recordedAt(record)) > until) || seen.has(record.event.id)) continue;
      seen.add(record.event.id);
      yield record;
    }
  }
  try {
    const sent = await replay(chosen(), { sink, rate, clock: systemClock, signal, sent: ({ event }, n) => { if (n % 100 === 0) print(`${n} sent, up to ${event.time}`); } });
    print(`${sent} event(s) sent to ${sink.name}`);
  } catch (error) {
    if (!(error instanceof ReplayError)) throw error;
    print(error.message);
    process.exitCode = 1;
  } finally {
    await sink.close();
  }
}

function toTime(text: string): Date {
  const time = new Date(text);
  if (Number.isNaN(time.getTime())) throw new InvalidArgumentError('give a time such as 2026-11-23T08:00:00Z');
  return time;
}

function toRate(text: string): number {
  const rate = Number(text);
  if (!(rate > 0)) throw new InvalidArgumentError('give a number above 0');
  return rate;
}
