/** The commands of `kubectl lablet`, on a page: names, arguments, options and what is said of them. */
import { Argument, Command, InvalidArgumentError, Option } from 'commander';
import { parseDuration } from '../core/duration.ts';
import { act, cancelSessions, extendSession } from './commands/act.ts';
import { calendar } from './commands/calendar.ts';
import { drainWorker } from './commands/drain.ts';
import { events } from './commands/events.ts';
import { story, why } from './commands/look.ts';
import { status } from './commands/status.ts';
import { CliError, EXIT } from './errors.ts';
import type { Context, GlobalOptions } from './context.ts';
import type { ActName } from './commands/act.ts';

/** Runs a command on the cluster that the shared options name. */
export type Run = (options: GlobalOptions, command: (context: Context) => Promise<void>) => Promise<void>;

const SESSION = () => new Argument('<session>', 'its name, or NAMESPACE/NAME');
const SESSIONS = () => new Argument('<session...>', 'names, or NAMESPACE/NAME');

export function program(run: Run): Command {
  const root = new Command('kubectl lablet')
    .description('Looks at timed, graded network labs and asks something of them, with your own rights in the cluster.')
    .option('-n, --namespace <name>', 'namespace of the sessions; default: that of your context')
    .option('-A, --all-namespaces', 'sessions of all namespaces')
    .addOption(new Option('-o, --output <format>', 'for scripts').choices(['json', 'yaml']))
    .option('--context <name>', 'context of the kubeconfig')
    .option('--kubeconfig <file>', 'kubeconfig; default: KUBECONFIG, else ~/.kube/config')
    .option('--local', 'times in the zone of this machine, with its offset; default: UTC')
    .configureHelp({ showGlobalOptions: true, sortSubcommands: false })
    .addHelpText('after', '\nExit codes: 0 done · 1 failed · 2 wrong command line or kubeconfig · 3 no such object · 4 not allowed · 5 API server not reached · 6 refused · 7 not answered yet')
    .showSuggestionAfterError()
    .exitOverride();
  const options = (): GlobalOptions => root.opts<GlobalOptions>();

  root.command('status').description('the fleet at a glance: workers, sessions by phase, what needs attention')
    .option('-w, --watch', 'again with every change')
    .action((own: { watch?: boolean }) => run(options(), (context) => status(context, own)));
  root.command('why').description('why a session waits or has failed, and what would unblock it').addArgument(SESSION())
    .action((name: string) => run(options(), (context) => why(context, name)));
  root.command('timeline').description('the story of a session: phases, steps, events, with durations').addArgument(SESSION())
    .action((name: string) => run(options(), (context) => story(context, name)));
  root.command('events').description('the CloudEvents of a session, or of all in the namespace').argument('[session]', 'its name, or NAMESPACE/NAME')
    .option('-f, --follow', 'go on with those that come')
    .option('--since <duration>', 'only those of the last while, such as 1h30m', durationOf)
    .action((name: string | undefined, own: { follow?: boolean; since?: number }) => run(options(), (context) => events(context, name, own)));
  root.command('calendar').description('what is booked against what there is, by the hour; of the whole cluster where you may see it')
    .option('--hours <n>', 'how many', hoursOf, 24)
    .option('--from <time>', 'first hour, such as 2026-11-24T08:00:00Z; default: now', timeOf)
    .action((own: { hours: number; from?: Date }) => run(options(), (context) => calendar(context, own)));

  root.command('extend').description('a later end of the slot').addArgument(SESSION()).argument('[duration]', 'how much later, such as 15m', durationOf)
    .option('--until <time>', 'the new end, such as 2026-11-23T12:15:00Z', timeOf)
    .option('--wait <duration>', 'how long to wait for the answer of the controller; 0s: not at all', durationOf, 15_000)
    .action((name: string, by: number | undefined, { until, wait }: { until?: Date; wait: number }) => {
      if ((by === undefined) === (until === undefined)) throw new CliError(EXIT.usage, `How long? Give a duration or --until: kubectl lablet extend ${name} 15m`);
      return run(options(), (context) => extendSession(context, name, by === undefined ? { until: until as Date } : { by }, wait));
    });
  const verb = (name: ActName, description: string): void => {
    root.command(name).description(description).addArgument(SESSIONS()).action((names: string[]) => run(options(), (context) => act(context, name, names)));
  };
  verb('end', 'finish a running session now: collect and grade');
  root.command('cancel').description('give a session up, or stop it without a grade').addArgument(SESSIONS())
    .option('--force', 'at once, whatever is left on the worker is removed later')
    .option('-y, --yes', 'do not ask, even if work is given up that nobody has graded')
    .action((names: string[], own: { force?: boolean; yes?: boolean }) => run(options(), (context) => cancelSessions(context, names, own)));
  verb('regrade', 'grade a session again that is being graded, or held after a failed grading');
  verb('release', 'let the lab go of a session that is held after a failed grading');
  verb('start', 'start a Ready session by hand, in place of LDS');
  verb('pause', 'hold a session: no effects, no deadlines');
  verb('resume', 'go on with a paused session');
  root.command('drain').description('take a worker out of service once its sessions have ended (needs the role admin in the whole cluster)').argument('<worker>')
    .option('--cancel', 'back into service')
    .action((name: string, own: { cancel?: boolean }) => run(options(), (context) => drainWorker(context, name, own)));
  return root;
}

function durationOf(text: string): number {
  try {
    return parseDuration(text);
  } catch (error) {
    throw new InvalidArgumentError(error instanceof Error ? error.message : '');
  }
}

function timeOf(text: string): Date {
  const at = new Date(text);
  if (Number.isNaN(at.getTime()) || !/(Z|[+-]\d{2}:\d{2})$/.test(text)) throw new InvalidArgumentError('not a time with its zone, such as 2026-11-23T12:15:00Z');
  return at;
}

const HOURS_MAX = 14 * 24;

function hoursOf(text: string): number {
  const hours = Number(text);
  if (!Number.isInteger(hours) || hours < 1 || hours > HOURS_MAX) throw new InvalidArgumentError(`a whole number from 1 to ${HOURS_MAX}`);
  return hours;
}
